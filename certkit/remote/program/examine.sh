# shellcheck shell=sh
# What the doctor wants to know of a host: how the registry looks from here, what time it is, and the
# answers to what it was sent to ask. It reads and writes nothing.

# endpoint REFERENCE: the addresses of its name, and what a handshake without any trust shows.
endpoint() {
  get "k_text_$1"
  mention endpoint "$GOT"
  get "k_host_$1"
  e_host=$GOT
  if has getent; then
    say "addresses $(guard "$O_LIMIT" getent ahosts "$e_host" 2>/dev/null |
      cut -d ' ' -f 1 | sort -u | hex)."
  fi
  has openssl || return 0
  get "k_connect_$1"
  e_connect=$GOT
  get "k_isip_$1"
  if [ "$GOT" = 1 ]; then set --; else set -- -servername "$e_host"; fi
  e_text=$(guard "$O_LIMIT" openssl s_client -connect "$e_connect" -showcerts "$@" 2>&1)
  e_status=$?
  # Of all that it prints only this: the rest holds the session's secrets.
  e_chain=$(printf '%s\n' "$e_text" | sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p' | hex)
  e_words=$(printf '%s\n' "$e_text" | grep -i -E 'err|alert|refused|resol|time|route' | hex)
  say "served $e_status $e_chain. $e_words."
}

# look PATH: a small text file.
look() {
  expand "$1"
  if ! [ -e "$GOT" ]; then
    k_found=missing
    k_text=
  elif ! [ -r "$GOT" ] || ! [ -f "$GOT" ]; then
    k_found=unreadable
    k_text=
  else
    k_found=found
    k_text=$(hex <"$GOT")
  fi
  word "$1"
  say "file $WORD $k_found $k_text."
}

# questions RUNTIME: in the order in which they were sent; 0 is the host as a whole.
questions() {
  w_q=0
  while [ "$w_q" -lt "$Q" ]; do
    w_q=$((w_q + 1))
    get "q_runtime_$w_q"
    [ "$GOT" = "$1" ] || continue
    get "q_ask_$w_q"
    w_what=${GOT#* }
    case ${GOT%% *} in
      run)
        get "q_words_$w_q"
        w_text=$(call "$O_LIMIT" "$GOT" 2>&1)
        w_status=$?
        word "$w_what"
        say "answer $WORD $w_status $(printf '%s' "$w_text" | hex)."
        ;;
      look) look "$w_what" ;;
    esac
  done
}

main() {
  load
  whoami_here
  m_users=
  if [ -n "$NESTED" ]; then
    say "nested $NESTED"
  else
    say "clock $ME_UID $(date -u +%s)"
    m_k=0
    while [ "$m_k" -lt "$K" ]; do
      m_k=$((m_k + 1))
      endpoint "$m_k"
    done
    questions 0
  fi
  m_r=0
  while [ "$m_r" -lt "$R" ]; do
    m_r=$((m_r + 1))
    get "r_user_$m_r"
    m_user=$GOT
    get "r_peruser_$m_r"
    if [ "$GOT" = 1 ]; then
      if [ "$ME_UID" = 0 ]; then
        case $NL$m_users$NL in *"$NL$m_user$NL"*) ;; *) m_users=${m_users:+$m_users$NL}$m_user ;; esac
        continue
      fi
      [ "$m_user" = "$ME" ] || continue
      as_owner
    elif [ -n "$NESTED" ]; then
      continue
    fi
    get "r_name_$m_r"
    say "about $GOT $m_user"
    questions "$m_r"
  done
  IFS=$NL
  for m_user in $m_users; do
    IFS=' 	
'
    passwd_of "$m_user" || fail no_user "$m_user"
    nest "$m_user"
  done
  finish 0
}

main
