"""`certkit renew`: a certificate is made, waits beside the old one, and becomes current."""
