r"""Train a RetinaFace face detector.

Phase one, then phase two from one of its checkpoints:

    python train.py --network resnet50
    python train.py --network resnet50 --lr 1e-5 --epochs 98 \
        --resume_net weights/Resnet50_epoch_95.pth --resume_epoch 95
"""

import argparse
import os

import torch

from data.config import BATCH_SIZE_OF_SEVERAL_CARDS, NETWORKS
from data.dataset import FaceDataset
from engine.training import Schedule, train
from models.backbones import load_backbone_weights
from models.retinaface import RetinaFace
from utils.checkpoint import load_into, read_state_dict
from utils.devices import choose_device, visible_cards
from utils.errors import UserError, run
from utils.flags import natural_float, natural_int, picture_side, positive_int


def parse_flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    workers = max(1, min(8, (os.cpu_count() or 2) // 2))

    data = parser.add_argument_group("data")
    add = data.add_argument
    add(
        "--training_dataset",
        default="data/tvface/train/label.txt",
        metavar="FILE",
        help="labels; the pictures are in images/ beside it (default: %(default)s)",
    )
    add(
        "--num_workers",
        type=natural_int,
        default=workers,
        metavar="N",
        help="processes that read and augment pictures; 0 reads in the training process (default here: %(default)s)",
    )
    add(
        "--image_size",
        type=picture_side,
        metavar="PX",
        help="side of the square training samples (default: 640 for mobile0.25, 840 for resnet50)",
    )
    add(
        "--batch_size",
        type=positive_int,
        metavar="N",
        help="pictures in a step, on all cards together (default: 32; 8 for resnet50 unless it has several cards)",
    )

    network = parser.add_argument_group("network")
    add = network.add_argument
    add("--network", choices=list(NETWORKS), default="mobile0.25", help="backbone (default: %(default)s)")
    start = network.add_mutually_exclusive_group()
    add = start.add_argument
    add(
        "--backbone_weights",
        metavar="FILE",
        help="ImageNet weights of the backbone (default: weights/mobilenetV1X0.25_pretrain.tar for mobile0.25,"
        " torchvision's IMAGENET1K_V1, downloaded once, for resnet50)",
    )
    add("--no_pretrain", action="store_true", help="start from random weights")
    add("--resume_net", metavar="FILE", help="start from the weights of a trained detector")
    network.add_argument(
        "--resume_epoch",
        type=natural_int,
        default=0,
        metavar="N",
        help="epochs that --resume_net has behind it: numbering and decays go on from there (default: 0)",
    )

    schedule = parser.add_argument_group("schedule")
    add = schedule.add_argument
    add(
        "--epochs",
        type=positive_int,
        metavar="N",
        help="epoch at which training ends (default: 250 for mobile0.25, 100 for resnet50)",
    )
    add(
        "--lr",
        type=natural_float,
        metavar="X",
        default=1e-3,
        help="learning rate at the start of this run (default: %(default)s)",
    )
    add(
        "--decay_epochs",
        type=positive_int,
        nargs="*",
        metavar="N",
        help="after these epochs lr is multiplied by gamma (default: 190 220 for mobile0.25, 70 90 for resnet50)",
    )
    add("--gamma", type=natural_float, metavar="X", default=0.1, help="factor of each decay (default: %(default)s)")
    add("--momentum", type=natural_float, metavar="X", default=0.9, help="of SGD (default: %(default)s)")
    add("--weight_decay", type=natural_float, metavar="X", default=5e-4, help="of SGD (default: %(default)s)")

    run_group = parser.add_argument_group("run")
    add = run_group.add_argument
    add("--save_folder", default="weights", metavar="DIR", help="where checkpoints go (default: %(default)s)")
    add(
        "--save_every",
        type=positive_int,
        default=5,
        metavar="N",
        help="epochs between checkpoints; the last epoch always gets one (default: %(default)s)",
    )
    add(
        "--log_every",
        type=positive_int,
        default=20,
        metavar="N",
        help="iterations between lines in a log; a terminal shows a bar instead (default: %(default)s)",
    )
    add(
        "--seed",
        type=natural_int,
        default=0,
        metavar="N",
        help="of new weights, order and augmentation (default: %(default)s)",
    )
    add("--device", metavar="NAME", help="cpu, cuda or cuda:N (default: all visible GPUs, the CPU where there is none)")
    flags = parser.parse_args()
    if flags.resume_epoch and not flags.resume_net:
        raise UserError(f"--resume_epoch {flags.resume_epoch}: name the weights of that epoch with --resume_net")
    return flags


def main() -> None:
    flags = parse_flags()
    device = choose_device(flags.device)
    cfg = dict(NETWORKS[flags.network])
    if len(visible_cards(device)) > 1:
        cfg["batch_size"] = BATCH_SIZE_OF_SEVERAL_CARDS
    overrides = {"image_size": flags.image_size, "batch_size": flags.batch_size, "epoch": flags.epochs}
    cfg.update({key: value for key, value in overrides.items() if value is not None})
    decay_epochs = [cfg["decay1"], cfg["decay2"]] if flags.decay_epochs is None else flags.decay_epochs

    dataset = FaceDataset(flags.training_dataset, cfg["image_size"], flags.seed)
    torch.manual_seed(flags.seed)
    model = RetinaFace(cfg)
    if flags.resume_net:
        load_into(model, read_state_dict(flags.resume_net), flags.resume_net)
    elif cfg["pretrain"] and not flags.no_pretrain:
        load_backbone_weights(model, cfg, flags.backbone_weights)

    train(
        model,
        cfg,
        dataset,
        Schedule(
            epochs=cfg["epoch"],
            start_epoch=flags.resume_epoch,
            lr=flags.lr,
            momentum=flags.momentum,
            weight_decay=flags.weight_decay,
            gamma=flags.gamma,
            decay_epochs=decay_epochs,
        ),
        device=device,
        batch_size=cfg["batch_size"],
        num_workers=flags.num_workers,
        save_folder=flags.save_folder,
        save_every=flags.save_every,
        log_every=flags.log_every,
    )


if __name__ == "__main__":
    run(main)
