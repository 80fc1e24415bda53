# shellcheck shell=sh disable=SC2034 # the parts are joined before they run
# Phase one: compare, and where it differs: stage everything, back up, then rename.
#
# Below the state directory, under each file's own path:
#   record/   what certkit last put there; a file equal to it is certkit's own
#   intent/   what it is about to put there: equal to that is its own too, if a run was killed
#   former/   the record before the last change; comes back with a rollback
#   previous/ the file before the last change, for a rollback; absent/ says there was none
#   due/NAME  this runtime's daemon has not been restarted since its files changed
# and beside them `made`: the directories that certkit made above the files.

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
  if ! same_as "$e_path"; then
    e_reason=content
    e_action='write'
    ours "$e_path" || [ "$O_FORCE" = 1 ] || e_action=foreign
  fi
  e_text=$(ls -ldn "$e_path" 2>/dev/null)
  # shellcheck disable=SC2086 # split on purpose; the path comes last
  set -- $e_text
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

# stage FILE: write it beside its place, complete and on disk, under a name no client reads.
stage() {
  get "f_absent_$1"
  [ -z "$GOT" ] || return 0
  get "f_real_$1"
  s_path=$GOT
  s_dir=${s_path%/*}
  make_parents "$s_dir"
  s_temp=$s_dir/.certkit-$N-$1
  add TEMPS "$s_temp"
  get "f_content_$1"
  get "blob_$GOT"
  # `cat` writes, not a builtin printf: dash says only "I/O error" when a disk is full. -C: O_EXCL.
  s_said=$( (printf '%s' "$GOT" | (set -C && umask 077 && cat >"$s_temp")) 2>&1) ||
    fail_io "$s_path" "$s_said"
  same_as "$s_temp" || fail disk_full "$s_path" 'what was written does not read back'
  get "f_ids_$1"
  case $GOT in
    '' | "$ME_UID:$ME_GID") ;;
    *) s_said=$(chown "$GOT" "$s_temp" 2>&1) || fail_io "$s_path" "$s_said" ;;
  esac
  get "f_mode_$1"
  s_said=$(chmod "$GOT" "$s_temp" 2>&1) || fail_io "$s_path" "$s_said"
  relabel "$s_temp" "$s_path"
  durable "$s_temp"
}

# make_parents DIR: 0755, remembering what is new so that a failure leaves no empty directory:
# clients would read an empty directory in place of one further down their list.
make_parents() {
  m_missing=
  m_part=$1
  while [ -n "$m_part" ] && [ ! -d "$m_part" ]; do
    m_missing=$m_part${m_missing:+$NL$m_missing}
    m_part=${m_part%/*}
  done
  IFS=$NL
  for m_part in $m_missing; do
    IFS=' 	
'
    m_said=$(mkdir "$m_part" 2>&1) || fail_io "$m_part" "$m_said"
    MADE=$m_part${MADE:+$NL$MADE}
    chmod 755 "$m_part"
    relabel "$m_part" "$m_part"
    durable "${m_part%/*}/"
  done
  IFS=' 	
'
}

# relabel FILE AS: the SELinux label that AS should have, where SELinux is on.
relabel() {
  [ "${SELINUX-}" != no ] || return 0
  if [ -z "${SELINUX-}" ]; then
    SELINUX=no
    ! selinuxenabled 2>/dev/null || SELINUX=yes
    [ "$SELINUX" = yes ] || return 0
  fi
  r_label=$(matchpathcon -n "$2" 2>/dev/null) && chcon "$r_label" "$1" 2>/dev/null && return 0
  restorecon "$1" 2>/dev/null
  :
}

discard() {
  IFS=$NL
  for x_path in ${TEMPS-}; do rm -f "$x_path"; done
  for x_path in ${MADE-}; do rmdir "$x_path" 2>/dev/null; done
  IFS=' 	
'
}

# back_up FILE: shelve what stands there. While a restart is due, the shelf already holds what the
# daemon last ran on, and that is what a rollback wants.
back_up() {
  get "f_real_$1"
  b_path=$GOT
  get "f_runtime_$1"
  get "r_name_$GOT"
  if ! [ -f "$STATE/due/$GOT" ] || ! { [ -f "$STATE/previous$b_path" ] || [ -f "$STATE/absent$b_path" ]; }; then
    get "f_state_$1"
    if [ "$GOT" = none ]; then
      mark "$STATE/absent$b_path"
      rm -f "$STATE/previous$b_path"
    else
      shelve "$b_path" "$STATE/previous$b_path"
      rm -f "$STATE/absent$b_path"
    fi
    rm -f "$STATE/former$b_path"
    [ ! -f "$STATE/record$b_path" ] || shelve "$STATE/record$b_path" "$STATE/former$b_path"
  fi
  get "f_absent_$1"
  [ -z "$GOT" ] || return 0
  get "f_real_$1"
  # The staged file is the intent.
  shelve "${b_path%/*}/.certkit-$N-$1" "$STATE/intent$b_path"
}

# mark PATH: an empty file in the state directory.
mark() {
  (umask 077 && mkdir -p "${1%/*}") 2>/dev/null
  k_said=$( (: >"$1") 2>&1) || fail_io "$1" "$k_said"
  durable "$1"
}

# sweep: what a killed run staged and could not rename. Under the lock, so nobody else's.
sweep() {
  z_n=0
  while [ "$z_n" -lt "$F" ]; do
    z_n=$((z_n + 1))
    get "f_action_$z_n"
    [ "$GOT" != skip ] || continue
    get "f_real_$z_n"
    set +f
    rm -f "${GOT%/*}"/.certkit-*
    set -f
  done
}

# commit: from here to the end the run finishes even if its operator's link is cut.
commit() {
  trap '' HUP PIPE TERM INT
  # For a removal, years later: without it, it leaves a directory more, and no harm is done.
  [ -z "${MADE-}" ] || (printf '%s\n' "$MADE" | cat >>"$STATE/made") 2>/dev/null
  t_n=0
  while [ "$t_n" -lt "$F" ]; do
    t_n=$((t_n + 1))
    get "f_action_$t_n"
    [ "$GOT" = write ] || continue
    get "f_real_$t_n"
    t_path=$GOT
    get "f_absent_$t_n"
    if [ -n "$GOT" ]; then
      take_away "$t_n"
      continue
    fi
    t_said=$(mv -f "${t_path%/*}/.certkit-$N-$t_n" "$t_path" 2>&1) || fail_io "$t_path" "$t_said"
    MADE=
    durable "${t_path%/*}"
    (umask 077 && mkdir -p "$STATE/record${t_path%/*}") 2>/dev/null
    mv -f "$STATE/intent$t_path" "$STATE/record$t_path"
    put "f_action_$t_n" changed
  done
}

# take_away FILE: the file first: without its record it would be somebody else's for ever.
take_away() {
  t_said=$(rm -f "$t_path" 2>&1) || fail_io "$t_path" "$t_said"
  durable "${t_path%/*}"
  rm -f "$STATE/record$t_path" "$STATE/intent$t_path"
  put "f_action_$1" changed
}
