# shellcheck shell=sh
# What is left over once a file that certkit put there is gone for good.

# tidy PATH: the directory that held the file goes with it. Clients take the first directory there
# is for a registry, so an empty one hides one further down their list.
tidy() {
  rmdir "${1%/*}" 2>/dev/null
  # Those above it only where certkit made them, as `made` tells.
  y_up=${1%/*}
  y_up=${y_up%/*}
  while [ -n "$y_up" ] && grep -qxF "$y_up" "$STATE/made" 2>/dev/null; do
    rmdir "$y_up" 2>/dev/null || break
    y_up=${y_up%/*}
  done
  :
}

# forget PATH: drop all that the state directory holds for a file, and what is empty then.
forget() {
  y_dir=${1%/*}
  for y_shelf in record intent former previous absent; do
    rm -f "$STATE/$y_shelf$1"
    (cd "$STATE/$y_shelf" && rmdir -p "${y_dir#/}") 2>/dev/null
    rmdir "$STATE/$y_shelf" 2>/dev/null
  done
  rmdir "$STATE/due" 2>/dev/null
  if [ -f "$STATE/made" ]; then
    y_left=
    while IFS= read -r y_made; do
      [ ! -d "$y_made" ] || y_left=$y_left$y_made$NL
    done <"$STATE/made"
    if [ -n "$y_left" ]; then
      (printf '%s' "$y_left" | cat >"$STATE/made.new" && mv -f "$STATE/made.new" "$STATE/made") 2>/dev/null
    else
      rm -f "$STATE/made"
    fi
  fi
  # With the last of certkit's files goes what its runs have left.
  [ -d "$STATE/record" ] || rm -f "$STATE/restart.log"
}

# settled LIST: after a proven restart nobody wants the old files of what was removed any more.
settled() {
  IFS=$NL
  for y_path in $1; do
    IFS=' 	
'
    [ -e "$y_path" ] || [ -f "$STATE/record$y_path" ] || forget "$y_path"
  done
  IFS=' 	
'
}
