"""Clouds: AWS as moto answers for it, Azure and Google as their REST references say, each through its own SDK."""
