"""Captures this project made, each with its truth and the script that made it. No part of the product."""
