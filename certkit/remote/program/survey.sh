# shellcheck shell=sh
# What `certkit status` wants to know, of all runtimes and users, in one answer. Nothing is written,
# not even a lock, and nothing of a private key leaves the host but its public half.

# listed PATH: the words of `ls`: sets L_PERM and L_UID.
listed() {
  l_line=$(ls -ldn "$1" 2>/dev/null) || return 1
  # shellcheck disable=SC2086 # split into words, and globbing is off
  set -- $l_line
  L_PERM=${1-}
  L_UID=${3-}
}

# public_half FILE: of a key that needs no passphrase.
public_half() {
  has openssl || return 0
  guard 5 openssl pkey -in "$1" -passin pass: -pubout 2>/dev/null | hex
}

# entry PATH: one name in a registry's directory.
entry() {
  listed "$1" || return 0
  n_what=${1##*/}
  n_word=-
  n_more=
  if [ -d "$1" ]; then
    n_word=directory
  elif [ ! -e "$1" ]; then
    n_word=dangling
  elif [ ! -f "$1" ]; then
    n_word=other
  elif [ ! -r "$1" ]; then
    n_word=unreadable
  elif grep -q -a 'PRIVATE KEY' "$1" 2>/dev/null || grep -q 'PRIVATE KEY' "$1" 2>/dev/null; then
    n_word=private
    n_more=$(public_half "$1")
  else
    n_word='file'
    # By another name it may be the trust all the same, which nobody reads.
    case $n_what in
      *.[cC][rR][tT] | *.cert | *.pem | *.cer | *.der) n_more=$(hex <"$1") ;;
      *) ! grep -q 'BEGIN CERTIFICATE' "$1" 2>/dev/null || n_more=$(hex <"$1") ;;
    esac
  fi
  word "$n_what"
  say "entry $L_PERM $L_UID $n_word $WORD $n_more."
}

# directory PATH: itself, wherever it leads.
directory() {
  listed "$1" || return 0
  mention "dir $L_PERM $L_UID" "$1"
}

# survey_file FILE: what stands in its place, beside it and above it.
survey_file() {
  get "f_runtime_$1"
  [ "$GOT" = "$REPORTED" ] || return 0
  get "f_path_$1"
  expand "$GOT"
  v_path=$GOT
  get "f_left_$1"
  if [ -n "$GOT" ]; then
    ! ours "$v_path" 2>/dev/null || mention left "$v_path"
    return 0
  fi
  v_dir=${v_path%/*}
  mention place "$v_path"
  ! ours "$v_path" 2>/dev/null || say own
  v_up=${v_dir%/*}
  directory "${v_up%/*}"
  directory "$v_up"
  directory "$v_dir"
  v_count=0
  set +f
  for v_near in "$v_dir"/* "$v_dir"/.[!.]*; do
    set -f
    [ -e "$v_near" ] || [ -L "$v_near" ] || continue
    v_count=$((v_count + 1))
    [ "$v_count" -le 200 ] || break
    entry "$v_near"
  done
  set -f
  v_at=$v_dir
  while [ -n "$v_at" ] && [ ! -d "$v_at" ]; do v_at=${v_at%/*}; done
  # One line for one file system; a long device's name may push the numbers onto a second.
  v_free=$(guard 5 df -Pk "${v_at:-/}" 2>/dev/null | tail -n 1 | sed -n 's/.* \([0-9][0-9]*\)  *[0-9][0-9]*%.*/\1/p')
  [ -z "$v_free" ] || say "free $v_free"
}

# survey_paths KEY: those of a list that exist; what belongs to a user, for all users where root asks.
survey_paths() {
  get "r_${1}_$REPORTED"
  v_list=$GOT
  IFS=$NL
  for v_one in $v_list; do
    IFS=' 	
'
    expand "$v_one"
    [ ! -e "$GOT" ] || mention "$1" "$GOT"
    # shellcheck disable=SC2088 # the two characters as they stand
    case $ME_UID$NESTED$v_one in
      '0~/'*)
        set +f
        for v_home in /home/*; do
          set -f
          v_there=$v_home/${v_one#??}
          [ ! -e "$v_there" ] || mention "$1" "$v_there"
        done
        set -f
        ;;
    esac
  done
  IFS=' 	
'
}

# neighbours DIRECTORY: the directories in it, and those of the registry that a pasted URL made.
neighbours() {
  set +f
  for v_near in "$1"/*/ "$1"/http:/*/ "$1"/https:/*/; do
    [ -d "$v_near" ] || continue
    v_near=${v_near#"$1"/}
    printf '%s\n' "${v_near%/}"
  done | head -n 300 | hex
  set -f
}

# survey_near FILE: what stands beside the registry's directory, once for each directory above.
survey_near() {
  get "f_runtime_$1"
  [ "$GOT" = "$REPORTED" ] || return 0
  get "f_left_$1"
  [ -z "$GOT" ] || return 0
  get "f_path_$1"
  expand "$GOT"
  v_up=${GOT%/*/*}
  [ "$v_up" != "$v_seen" ] || return 0
  v_seen=$v_up
  word "$v_up"
  say "beside $WORD $(neighbours "$v_up")."
}

# survey_settings: the insecure registries as the daemon's file has them, and nothing else of it.
survey_settings() {
  get "r_settings_$REPORTED"
  [ -n "$GOT" ] || return 0
  expand "$GOT"
  [ -r "$GOT" ] || return 0
  v_list=$(tr -d '\n' <"$GOT" | sed -n 's/.*"insecure-registries"[^[]*\[\([^]]*\)\].*/\1/p')
  word "$GOT"
  mention "insecure $WORD" "$v_list"
}

survey() {
  get "r_name_$REPORTED"
  say "of $GOT"
  if [ -f "$STATE/due/$GOT" ] || left_down "$REPORTED"; then say due; fi
  each_file survey_file
  v_seen=
  each_file survey_near
  survey_paths shadow
  survey_paths elsewhere
  survey_settings
}

main() {
  all_runtimes
  each_runtime tell
  tell_clock
  each_runtime survey
  conclude
}

main
