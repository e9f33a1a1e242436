"""Aria on this machine. torch is imported only below this folder."""
