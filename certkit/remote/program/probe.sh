# shellcheck shell=sh
# Phase three: prove the trust from this host, by a bare handshake and by the runtime's own puller.

# handshake REFERENCE: TLS with the installed file as the only root; without one, where the system
# may vouch for the registry, with the system's. No answer without openssl.
handshake() {
  has openssl || return 0
  get "k_cafile_$1"
  expand "$GOT"
  h_file=$GOT
  [ -r "$h_file" ] || [ "$O_SYSTEM" = 0 ] || h_file=
  if [ -n "$h_file" ] && ! [ -r "$h_file" ]; then
    say 'handshake 1'
    say "handshake-text $(printf 'certkit: unable to read %s' "$h_file" | hex)"
    return 0
  fi
  get "k_connect_$1"
  h_connect=$GOT
  get "k_host_$1"
  h_host=$GOT
  get "k_isip_$1"
  if [ "$GOT" = 1 ]; then
    set -- -verify_ip "$h_host"
  else
    set -- -servername "$h_host" -verify_hostname "$h_host"
  fi
  if [ -n "$h_file" ]; then
    set -- "$@" -CAfile "$h_file"
    # Without these, openssl adds the system's authorities to the file's.
    h_help=$(openssl s_client -help 2>&1 </dev/null)
    for h_option in -no-CApath -no-CAstore; do
      case $h_help in *"$h_option"*) set -- "$@" "$h_option" ;; esac
    done
  fi
  h_text=$(guard "$O_LIMIT" openssl s_client -connect "$h_connect" -verify_return_error "$@" 2>&1)
  h_status=$?
  case $h_text in *'unknown option'* | *'nknown option'*) return 0 ;; esac
  say "handshake $h_status"
  say "handshake-text $({
    printf '%s\n' "$h_text" | grep -i -E 'verif|err|subject=|issuer=|alert|refused|resol|time|http'
    printf '%s\n' "$h_text" | openssl x509 -noout -fingerprint -sha256 2>/dev/null
  } | hex)"
}

addresses() {
  get "k_host_$1"
  has getent || return 0
  say "addresses $(guard 10 getent ahosts "$GOT" 2>/dev/null | cut -d ' ' -f 1 | sort -u | hex)"
}

# pull TARGET: sets STATUS, and adds what the client said to TEXT.
pull() {
  get r_pull_1
  p_text=$(call "$O_LIMIT" "$GOT" "$1" 2>&1)
  STATUS=$?
  TEXT=$TEXT$p_text$NL
}

present() {
  get r_present_1
  call 20 "$GOT" "$1" >/dev/null 2>&1
}

remove() {
  get r_remove_1
  call 60 "$GOT" "$1" >/dev/null 2>&1
}

# ask REFERENCE: for a name that does not exist, or for an image, by tag and then by digest.
ask() {
  get "k_text_$1"
  a_reference=$GOT
  say "reference $(printf '%s' "$a_reference" | hex)"
  addresses "$1"
  handshake "$1"
  TEXT=
  if [ -z "$O_IMAGE" ]; then
    # A new name each time: BuildKit caches a host's TLS settings by image name.
    pull "$a_reference/certkit-probe-$N:0"
    # Nobody has that name; but a registry that answers every name gets no litter left behind.
    [ "$STATUS" != 0 ] || remove "$a_reference/certkit-probe-$N:0"
  else
    a_target=$a_reference/$O_IMAGE
    a_before=no
    ! present "$a_target" || a_before=yes
    pull "$a_target"
    a_digests=
    if [ "$STATUS" = 0 ]; then
      get r_digest_1
      a_digests=$(call 20 "$GOT" "$a_target" 2>/dev/null)
      IFS=$NL
      for a_digest in $a_digests; do
        IFS=' 	
'
        case $a_digest in
          "$a_reference/"*@sha256:*)
            [ "$STATUS" != 0 ] || pull "$a_digest"
            say "digest $(printf '%s' "$a_digest" | hex)"
            ;;
        esac
      done
      IFS=' 	
'
    fi
    if [ "$a_before" = no ]; then
      remove "$a_target"
      IFS=$NL
      for a_digest in $a_digests; do
        IFS=' 	
'
        case $a_digest in "$a_reference/"*) ! present "$a_digest" || remove "$a_digest" ;; esac
      done
      IFS=' 	
'
    fi
  fi
  say "pull $STATUS"
  # The end tells what went wrong; layers' progress comes before it.
  say "pull-text $(printf '%s' "$TEXT" | tail -n 40 | hex)"
  say 'done'
}

main() {
  one_runtime
  say "probed $NAME $WHO"
  get r_verify_1
  [ -z "$GOT" ] || say "verification $(call 20 "$GOT" 2>/dev/null | hex)"
  b_k=0
  while [ "$b_k" -lt "$K" ]; do
    b_k=$((b_k + 1))
    ask "$b_k"
  done
  finish 0
}

main
