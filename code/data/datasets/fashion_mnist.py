"""Fashion-MNIST, clothes in MNIST's format: 55,000 / 5,000 / 10,000 images [28, 28, 1].

Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747. Its authors publish the MD5 of the .gz files alone.
A raw file can therefore not be told from MNIST's file of the same name, and is not taken.
"""
from data.dataset import Dataset
from data.readers import idx

SOURCE = idx.Source(
    name="fashion_mnist",
    title="Fashion-MNIST",
    class_names=("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                 "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    algorithm="md5",
    packed=True,
    digests={
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    },
)


def load(cfg) -> Dataset:
    """Returns Fashion-MNIST. InputError if its files are neither there nor can be downloaded."""
    return idx.load(SOURCE, cfg)
