"""MNIST, handwritten digits: 55,000 / 5,000 / 10,000 images [28, 28, 1] (LeCun, Cortes, Burges)."""
from data.dataset import Dataset
from data.making import handwriting
from data.readers import idx

SOURCE = idx.Source(
    name="mnist",
    title="MNIST",
    class_names=tuple("0123456789"),
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    # Of the content, because there are several .gz files of it.
    algorithm="sha256",
    packed=False,
    digests={
        "train-images-idx3-ubyte":
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte":
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte":
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte":
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
)

prepare = handwriting.as_mnist  # for pictures from elsewhere


def load(cfg) -> Dataset:
    """Returns MNIST. InputError if its files are neither there nor can be downloaded."""
    return idx.load(SOURCE, cfg)
