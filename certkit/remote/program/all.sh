# shellcheck shell=sh disable=SC2034 # the parts are joined before they run
# What a phase for all runtimes of a host begins and ends with; one for a single runtime has `one_runtime`.

all_runtimes() {
  load
  whoami_here
  if [ -n "$NESTED" ]; then say "nested $NESTED"; else say "start $ME_UID"; fi
  find_runtimes
  drop_foreign_runtimes
  left_overs
}

# conclude: at last the runtimes of users, each seen to by a run as that user.
conclude() {
  IFS=$NL
  for c_user in $USERS; do
    IFS=' 	
'
    nest "$c_user"
  done
  finish 0
}
