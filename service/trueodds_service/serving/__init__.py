"""Ray Serve: the deployments that place, restart and drain. The only home of ray."""
