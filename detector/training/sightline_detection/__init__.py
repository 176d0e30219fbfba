"""Training of Sightline's own detector: the synthetic world's scenes, FastestDet's network, fine-tuned and exported."""
