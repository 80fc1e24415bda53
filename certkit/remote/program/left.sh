# shellcheck shell=sh disable=SC2034 # the parts are joined before they run
# What certkit put here for this registry under names, or in directories, that nobody asks for any
# more: an alias or a certs_dir that has left the inventory. Only the host's memory knows of it.

# left_overs: append to the files, as absent, what the record says is this registry's and was not asked for.
left_overs() {
  w_todo=
  [ "$A" = 0 ] || [ ! -d "$STATE/record" ] || w_todo=$STATE/record
  while [ -n "$w_todo" ]; do
    w_dir=${w_todo%%"$NL"*}
    w_todo=${w_todo#"$w_dir"}
    w_todo=${w_todo#"$NL"}
    set +f
    for w_at in "$w_dir"/* "$w_dir"/.[!.]*; do
      set -f
      if [ -d "$w_at" ]; then
        w_todo=$w_at${w_todo:+$NL$w_todo}
      elif [ -f "$w_at" ]; then
        left_over "${w_at#"$STATE/record"}" "$w_at"
      fi
    done
    set -f
  done
}

# left_over PATH RECORD: whose it was tells its content: an authority is one registry's alone.
left_over() {
  case $1 in */ca.crt) ;; *) return 0 ;; esac
  w_base=${1%/*/*}
  w_runtime=
  w_n=0
  while [ "$w_n" -lt "$F" ]; do
    w_n=$((w_n + 1))
    get "f_path_$w_n"
    expand "$GOT"
    [ "$GOT" != "$1" ] || return 0
    w_asked=$GOT
    get "f_runtime_$w_n"
    w_r=$GOT
    get "r_found_$w_r"
    # Its daemon is the one that reads the directory above; else any is as good.
    [ "$GOT" != yes ] || { [ -n "$w_runtime" ] && [ "${w_asked%/*/*}" != "$w_base" ]; } || w_runtime=$w_r
  done
  [ -n "$w_runtime" ] || return 0
  w_text=$(cat "$2" 2>/dev/null)
  w_n=0
  while [ "$w_n" -lt "$A" ]; do
    w_n=$((w_n + 1))
    get "a_blob_$w_n"
    w_blob=$GOT
    get "blob_$GOT"
    case $w_text in *"$GOT"*) ;; *) continue ;; esac
    F=$((F + 1))
    put "f_path_$F" "$1"
    put "f_runtime_$F" "$w_runtime"
    put "f_action_$F" skip
    put "f_absent_$F" 1
    put "f_left_$F" 1
    put "f_content_$F" "$w_blob"
    return 0
  done
}
