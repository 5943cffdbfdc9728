"""SG-DETR (arXiv 2410.01615): the network, its losses, its post-processing."""
