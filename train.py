r"""Train a RetinaFace face detector.

    python train.py --network resnet50

Both phases in one command, with the AP of the dev set every 5 epochs:

    python train.py --network resnet50 --epochs 95 --finetune_lr 1e-5 --finetune_epochs 3 \
        --val_dataset data/tvface/val/tvval_label.txt

Phase two alone, from weights of phase one:

    python train.py --network resnet50 --lr 1e-5 --epochs 98 \
        --resume_net weights/Resnet50_epoch_95.pth --resume_epoch 95

Resume a run that was stopped or killed; its weights are those of an uninterrupted run:

    python train.py --resume

One process for each of several GPUs:

    torchrun --nproc_per_node=4 train.py --network resnet50
"""

from utils.openmp import configure_openmp

configure_openmp()  # before PyTorch is imported

from engine.train.main import main
from utils.errors import run

if __name__ == "__main__":
    run(lambda: main(__doc__))
