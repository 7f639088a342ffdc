#!/usr/bin/env bash
# Makes the figures and numbers of the released networks in this folder anew.
set -eu
cd "$(dirname "$0")/.."
mnist="--fig_dir figs"
python code/eval.py $mnist
python code/eval.py $mnist --mode reconstruct
python code/eval.py $mnist --mode cap_tweak --num_images 2000
python code/eval.py $mnist --mode routing
python code/eval.py $mnist --mode adversarial
for attack in fgsm bim pgd; do
    python code/eval.py $mnist --mode adversarial --attack "$attack" --no-targeted
done

pairs="--ckpt checkpoints/multimnist --fig_dir figs/multimnist"
python code/eval.py $pairs --pairs_per_digit 10
python code/eval.py $pairs --mode routing
python code/eval.py $pairs --mode reconstruct
python code/eval.py $pairs --mode cap_tweak --tweak_target 4
