# shellcheck shell=sh
# What is served at an address, as this host sees it; trusts nothing, judges nothing.

main() {
  serve_load
  whoami_here
  say "start $ME_UID"
  say "openssl $OPENSSL"
  served
  say "served $SERVED"
  [ "$SERVED" = - ] || say "leaf $(printf '%s\n' "$TALK" | openssl x509 2>/dev/null | hex)"
  [ "$SERVED" != - ] || say "text $(printf '%s\n' "$TALK" |
    grep -i -E 'err|alert|refused|resol|time|http|route' | head -n 5 | hex)"
  finish 0
}

main
