"""What is damaged in a video, and what only looks damaged because recordings were cut or joined."""

import av

from engine.detect.video_clock import is_jump

NEAR_JOINT = 50  # packets; decoders hold back frames, and wait for the next key frame


class Damage:
    """Watches the packets and frames of a video.

    Where recordings were cut or joined, the last packet is not complete and frames refer to others that are not there.

    Args:
        restarts: whether the format has a clock that may jump, as transport streams do.

    Attributes:
        broken: whether packets or frames are damaged that are not near a joint.
        at_joints: whether frames near a joint may be damaged.
        undecoded: number of frames before the first key frame.
        end: timestamp of the end in seconds.
    """

    def __init__(self, restarts: bool):
        self.at_joints = False
        self.undecoded = 0
        self.end = 0.0
        self._restarts = restarts
        self._packets = 0
        self._before: float | None = None  # timestamp of the previous packet
        self._joint: int | None = None  # number of the packet at the last joint
        self._suspect: int | None = None  # number of the first damaged packet that is not near a joint
        self._early: list[float] | None = []  # timestamps of the packets before the first frame

    @property
    def broken(self) -> bool:
        return self._suspect is not None

    def see_packet(self, packet: av.Packet) -> bool:
        """Note a packet before it is decoded; return whether another recording begins with it."""
        self._packets += 1
        if packet.pts is not None:
            self.end = max(self.end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if self._early is not None:
                self._early.append(float(packet.pts * packet.time_base))
        order = packet.pts if packet.dts is None else packet.dts
        timestamp = None if order is None else float(order * packet.time_base)
        joint = None not in (self._before, timestamp) and is_jump(self._before, timestamp, self._restarts)
        self._before = self._before if timestamp is None else timestamp
        if joint:
            self._see_joint(packet.is_keyframe)
        if packet.is_corrupt and not self._near_joint():  # there, a packet is marked that may be whole
            self._suspect = self._suspect or self._packets
        return joint

    def see_damage(self) -> None:
        """Note that the last packet cannot be decoded, or not without damage."""
        if self._restarts and self._early is not None:
            return  # a recording starts anywhere: `undecoded` counts what is lost
        if self._near_joint():
            self.at_joints = True
        else:
            self._suspect = self._suspect or self._packets

    def see_frame(self, frame: av.VideoFrame) -> None:
        if self._early is not None and frame.time is not None:
            self.undecoded = sum(timestamp < frame.time for timestamp in self._early) if self._restarts else 0
        self._early = None
        if frame.is_corrupt:
            self.see_damage()

    def _near_joint(self) -> bool:
        return self._joint is not None and self._packets - self._joint <= NEAR_JOINT

    def _see_joint(self, at_key_frame: bool) -> None:
        self._joint = self._packets
        self.at_joints |= not at_key_frame
        if self._suspect is not None and self._packets - self._suspect <= NEAR_JOINT:
            self._suspect = None
