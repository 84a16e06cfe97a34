"""Rollouts: a release reaches a channel's devices group by group, as their signed reports allow."""
