FROM box
PULL ./FILE.py .
