"""`certkit rotate` in the home: the steps, the way back, and the files of both."""
