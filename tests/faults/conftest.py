"""What every test here shares: a real sshd, and that nothing is left of it."""

from tests.ssh.fixtures import connector, nothing_left, sshd, start_sshd

__all__ = ["connector", "nothing_left", "sshd", "start_sshd"]
