"""Whether a promise still holds, from outcomes that may be looked at after each one."""
