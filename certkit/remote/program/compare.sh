# shellcheck shell=sh disable=SC2034 # the parts are joined before they run
# How files stand, beside what is wanted; nothing is written.

# examine FILE: sets its f_* : real (path), action, reason, and state (what is there now).
examine() {
  e_n=$1
  get "f_path_$e_n"
  expand "$GOT"
  e_path=$GOT
  put "f_real_$e_n" "$e_path"
  put "f_reason_$e_n" ''
  e_dir=${e_path%/*}
  get "f_absent_$e_n"
  if [ -n "$GOT" ]; then
    examine_absent
    return
  fi
  # These two and the file are certkit's to make; what stands above may be linked elsewhere.
  for e_part in "${e_dir%/*}" "$e_dir" "$e_path"; do
    [ ! -L "$e_part" ] || fail symlink "$e_part"
  done
  e_part=$e_dir
  while [ -n "$e_part" ]; do
    [ ! -e "$e_part" ] || [ -d "$e_part" ] || fail not_directory "$e_part"
    e_part=${e_part%/*}
  done
  get "f_owner_$e_n"
  owner_ids "$GOT"
  put "f_ids_$e_n" "$OWNER"
  if [ ! -e "$e_path" ]; then
    put "f_state_$e_n" none
    put "f_reason_$e_n" content
    put "f_action_$e_n" write
    writable "$e_dir"
    return
  fi
  [ -f "$e_path" ] || fail not_file "$e_path"
  [ -r "$e_path" ] || fail permission "$e_path" 'Permission denied'
  put "f_state_$e_n" file
  get "f_content_$e_n"
  get "blob_$GOT"
  e_reason=
  e_action=same
  if [ "$ALIKE" = no ] && ! same_as "$e_path"; then
    e_reason=content
    e_action='write'
    ours "$e_path" || [ "$O_FORCE" = 1 ] || e_action=foreign
  fi
  line_of "$e_path"
  # shellcheck disable=SC2086 # split on purpose; the path comes last
  set -- $GOT
  get "f_perm_$e_n"
  case ${1-} in "$GOT"*) ;; *) e_reason=${e_reason:+$e_reason,}mode ;; esac
  [ -z "$OWNER" ] || [ "${3-}:${4-}" = "$OWNER" ] || e_reason=${e_reason:+$e_reason,}owner
  [ -z "$e_reason" ] || [ "$e_action" = foreign ] || e_action='write'
  [ "$e_action" != write ] || writable "$e_dir"
  put "f_reason_$e_n" "$e_reason"
  put "f_action_$e_n" "$e_action"
}

# examine_absent: the same for a file that should not be there. Certkit's own are those on its record,
# and those that hold what it would place; it never wrote through a link or into anything else.
examine_absent() {
  put "f_state_$e_n" none
  put "f_action_$e_n" same
  for e_part in "${e_dir%/*}" "$e_dir"; do
    [ ! -L "$e_part" ] || return 0
  done
  if [ -L "$e_path" ] || { [ -e "$e_path" ] && ! [ -f "$e_path" ]; }; then
    put "f_action_$e_n" foreign
    return 0
  fi
  [ -f "$e_path" ] || return 0
  put "f_state_$e_n" file
  put "f_reason_$e_n" content
  put "f_action_$e_n" write
  get "f_content_$e_n"
  get "blob_$GOT"
  if same_as "$e_path" 2>/dev/null || ours "$e_path" || [ "$O_FORCE" = 1 ]; then
    writable "$e_dir"
  else
    put "f_action_$e_n" foreign
  fi
}

# writable DIR: an early, clear word to those who lack the privilege.
writable() {
  w_dir=$1
  while [ ! -e "$w_dir" ] && [ -n "$w_dir" ]; do w_dir=${w_dir%/*}; done
  [ "$ME_UID" = 0 ] || [ -w "${w_dir:-/}" ] || fail permission "$w_dir" 'Permission denied'
}

# glance: at all files at once, since each process costs more than what it does: LISTED is what `ls` says
# of them, ALIKE whether they hold what they should (yes), with their records too (recorded). No is no
# answer yet: then each file is looked at.
LISTED=
ALIKE=no
glance() {
  LISTED=
  ALIKE=no
  g_want=
  g_records=recorded
  set --
  g_n=0
  while [ "$g_n" -lt "$F" ]; do
    g_n=$((g_n + 1))
    get "f_runtime_$g_n"
    get "r_found_$GOT"
    g_found=$GOT
    get "f_absent_$g_n"
    [ "$g_found$GOT" = yes ] || continue
    get "f_path_$g_n"
    expand "$GOT"
    [ -f "$GOT" ] && [ -r "$GOT" ] && [ ! -L "$GOT" ] || continue
    set -- "$@" "$GOT"
    [ -f "$STATE/record$GOT" ] || g_records=
    get "f_content_$g_n"
    get "blob_$GOT"
    g_want=$g_want$GOT
  done
  [ $# -gt 0 ] || return 0
  LISTED=$(ls -ldn "$@" 2>/dev/null)
  g_count=$#
  if [ -n "$g_records" ]; then
    g_want=$g_want$g_want
    for g_path; do set -- "$@" "$STATE/record$g_path"; done
  fi
  read_back "$g_want" "$@" || return 0
  # NULs are lost in a variable, but not in a size.
  g_n=0
  while [ "$g_n" -lt "$F" ] && [ "$g_count" -gt 0 ]; do
    g_n=$((g_n + 1))
    get "f_path_$g_n"
    expand "$GOT"
    [ "$GOT" = "$1" ] || continue
    g_count=$((g_count - 1))
    shift
    line_of "$GOT"
    g_line=$GOT
    get "f_content_$g_n"
    get "blob_$GOT"
    case $g_line in *" ${#GOT} "*) ;; *) return 0 ;; esac
  done
  ALIKE=${g_records:-yes}
}

# line_of PATH: sets GOT to the line of `ls` about it.
line_of() {
  IFS=$NL
  for GOT in $LISTED; do
    case $GOT in *" $1") IFS=' 	
' && return ;; esac
  done
  IFS=' 	
'
  GOT=$(ls -ldn "$1" 2>/dev/null)
}

# read_back TEXT PATH...: whether the files hold TEXT together, but for newlines at its end.
read_back() {
  h_text=$1
  shift
  while :; do
    case $h_text in *"$NL") h_text=${h_text%"$NL"} ;; *) break ;; esac
  done
  [ "$(cat "$@" 2>/dev/null)" = "$h_text" ]
}

# same_as PATH: whether the file holds GOT, byte for byte.
same_as() {
  if has cmp; then
    printf '%s' "$GOT" | cmp -s - "$1"
  else
    [ "$(printf '%s' "$GOT" | od -An -v -tx1)" = "$(od -An -v -tx1 <"$1")" ]
  fi
}

# owner_ids SPEC: sets OWNER to uid:gid, or to nothing where it is not to be looked at: nobody but root
# can give files away, so what another login may place (become: none) is its own, whatever is wanted.
owner_ids() {
  case $1 in
    @user)
      OWNER=$ME_UID:$ME_GID
      return
      ;;
  esac
  if [ "$ME_UID" != 0 ]; then
    OWNER=
    return
  fi
  w_user=${1%%:*}
  w_group=${1#*:}
  case $w_user in
    *[!0-9]*) passwd_of "$w_user" || fail no_user "$w_user" && w_user=$PW_UID ;;
  esac
  case $w_group in
    *[!0-9]*)
      w_line=$(getent group "$w_group" 2>/dev/null || grep "^$w_group:" /etc/group)
      w_line=${w_line#*:*:}
      [ -n "$w_line" ] || fail no_user "$w_group"
      w_group=${w_line%%:*}
      ;;
  esac
  OWNER=$w_user:$w_group
}

