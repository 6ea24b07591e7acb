"""What was seen and said becomes marks; timetables become sessions. Pure functions."""
