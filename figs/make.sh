#!/usr/bin/env bash
# Makes the figures and numbers of the released networks in this folder anew.
set -eu
cd "$(dirname "$0")/.."
python code/eval.py
python code/eval.py --mode reconstruct
python code/eval.py --mode cap_tweak --num_images 2000
python code/eval.py --mode adversarial
for attack in fgsm bim pgd; do
    python code/eval.py --mode adversarial --attack "$attack" --no-targeted
done

pairs="--ckpt checkpoints/multimnist --fig_dir figs/multimnist"
python code/eval.py $pairs --pairs_per_digit 10
python code/eval.py $pairs --mode reconstruct
python code/eval.py $pairs --mode cap_tweak --tweak_target 4
