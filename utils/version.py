"""The version of this program."""

VERSION = "0.6.0"
