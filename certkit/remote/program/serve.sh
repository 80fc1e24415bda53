# shellcheck shell=sh disable=SC2034 # the parts are joined before they run
# The registry's side: the data of its phases, what is served, and how the registry is made to take up
# its files. File 1 is the certificate, file 2 the key; S_KEY holds a setting.
S_DO=deploy
S_WAY=files
S_ENGINE=docker
S_KNOWN=
S_ARGS=
S_COMPOSE=
S_LIMIT=90
S_BEFORE=-
S_WANT=-
S_CONNECT=
S_ISIP=0
S_SPEC=
S_IMAGE=
for s_key in NAME PROJECT SERVICE UNIT COMMAND HOST; do put "S_$s_key" ''; done

# serve_load: as `load`.
serve_load() {
  IFS=$NL
  # shellcheck disable=SC2086 # split at newlines only, and globbing is off
  set -- $P
  shift "$PROGRAM_LINES"
  for LINE; do
    case $LINE in
      '|'*)
        d_blob=$d_blob${d_first-$NL}${LINE#?}
        unset d_first
        continue
        ;;
    esac
    KEY=${LINE%% *}
    VALUE=${LINE#* }
    case $KEY in
      check) O_CHECK=$VALUE ;;
      force) O_FORCE=$VALUE ;;
      wait) O_WAIT=$VALUE ;;
      operator) O_OPERATOR=$VALUE ;;
      do) S_DO=$VALUE ;;
      way) S_WAY=$VALUE ;;
      engine) S_ENGINE=$VALUE ;;
      name) S_NAME=$VALUE ;;
      image) S_IMAGE=$VALUE ;;
      spec) S_SPEC=$VALUE ;;
      project) S_PROJECT=$VALUE ;;
      service) S_SERVICE=$VALUE ;;
      unit) S_UNIT=$VALUE ;;
      command) S_COMMAND=$VALUE ;;
      limit) S_LIMIT=$VALUE ;;
      want) S_WANT=$VALUE ;;
      connect) S_CONNECT=$VALUE ;;
      host) S_HOST=$VALUE ;;
      isip) S_ISIP=$VALUE ;;
      arg) add S_ARGS "$VALUE" ;;
      compose) add S_COMPOSE "$VALUE" ;;
      known) add S_KNOWN "$VALUE" ;;
      blob)
        B=$((B + 1))
        d_blob=
        d_first=
        ;;
      blob-end) put "blob_$B" "$d_blob" ;;
      file)
        F=$((F + 1))
        put "f_path_$F" "$VALUE"
        put "f_runtime_$F" 0
        put "f_action_$F" skip
        put "f_absent_$F" ''
        ;;
      mode | perm | owner | content) put "f_${KEY}_$F" "$VALUE" ;;
      "end-$N") ;;
      *) fail internal "$KEY" 'unknown key' ;;
    esac
  done
  IFS=' 	
'
  OPENSSL=no
  ! has openssl || OPENSSL=yes
}

# now: hundredths of a second of a clock that nobody sets.
now() {
  if IFS=' ' read -r w_up _ 2>/dev/null </proc/uptime; then
    NOW=${w_up%.*}${w_up#*.}
  else
    NOW=$(date -u +%s)00
  fi
}

# fingerprint: of the first certificate on stdin, 64 hex digits; nothing where there is none.
fingerprint() {
  openssl x509 -noout -fingerprint -sha256 2>/dev/null | sed 's/.*=//' | tr -d ':\n' | tr 'A-F' 'a-f'
}

# served: sets SERVED to the fingerprint of what answers there, or to - where nothing does or nobody
# can tell for want of openssl. What it trusts plays no part.
served() {
  SERVED=-
  TALK=
  [ "$OPENSSL" = yes ] || return 0
  set -- -connect "$S_CONNECT"
  [ "$S_ISIP" = 1 ] || set -- "$@" -servername "$S_HOST"
  TALK=$(guard 10 openssl s_client "$@" 2>&1)
  v_print=$(printf '%s\n' "$TALK" | fingerprint)
  [ "${#v_print}" -ne 64 ] || SERVED=$v_print
}

# engine WORD...: the container engine, bounded.
engine() { guard "$S_LIMIT" "$S_ENGINE" "$@"; }

# compose WORD...: whichever compose there is; it looks for its files where it is called.
compose() {
  IFS=$NL
  # shellcheck disable=SC2086 # split at newlines only, and globbing is off
  set -- $COMPOSE $S_COMPOSE "$@"
  IFS=' 	
'
  (cd "$S_PROJECT" && guard "$S_LIMIT" "$@")
}

# acquaint: is what runs the registry there? Sets PLAN: create, recreate, restart, reload or none; and
# IDLE=yes where it is to be started in any case.
acquaint() {
  IDLE=
  case $S_WAY in
    files) PLAN=none ;;
    command) PLAN=reload ;;
    systemd)
      PLAN=restart
      [ "$ME_UID" = 0 ] || fail not_root "$S_UNIT"
      case $(guard 20 systemctl show -p LoadState "$S_UNIT" 2>/dev/null) in
        *=not-found* | '') fail no_unit "$S_UNIT" ;;
      esac
      ;;
    compose)
      PLAN=restart
      if guard 20 docker compose version >/dev/null 2>&1; then
        COMPOSE=docker${NL}compose
      elif has docker-compose; then
        COMPOSE=docker-compose
      else
        fail no_compose compose
      fi
      a_said=$(compose config --services 2>&1) || fail compose_refuses "$S_SERVICE" "$a_said"
      case $NL$a_said$NL in *"$NL$S_SERVICE$NL"*) ;; *) fail no_service "$S_SERVICE" ;; esac
      ;;
    existing)
      PLAN=restart
      a_said=$(engine ps -q 2>&1) || fail no_engine "$S_ENGINE" "$a_said"
      engine container inspect -f '{{.Name}}' "$S_NAME" >/dev/null 2>&1 || fail no_container "$S_NAME"
      ;;
    *)
      PLAN=restart
      has_container "$S_NAME"
      case $? in
        1)
          PLAN=create
          return
          ;;
        2) fail no_engine "$S_ENGINE" "$SAID" ;;
      esac
      a_spec=$(engine container inspect -f '{{index .Config.Labels "certkit.spec"}}' "$S_NAME" 2>/dev/null)
      case $a_spec in
        "$S_SPEC") ;;
        '' | '<no value>') fail foreign_container "$S_NAME" ;;
        *) PLAN=recreate ;;
      esac
      a_runs=$(engine container inspect -f '{{.State.Running}}' "$S_NAME" 2>/dev/null)
      [ "$a_runs" = true ] || IDLE=yes
      ;;
  esac
}

# at_boot: Podman has no daemon that starts containers; a unit of its own does, where it is enabled.
at_boot() {
  [ "$S_WAY.$S_ENGINE" = container.podman ] || return 0
  case $(guard 10 systemctl is-enabled podman-restart.service 2>/dev/null) in enabled*) ;; *) say 'boot no' ;; esac
}

# fetch: the image, before anything is touched.
fetch() {
  [ "$S_WAY" = container ] || return 0
  case $PLAN in create | recreate) ;; *) return 0 ;; esac
  ! engine image inspect "$S_IMAGE" >/dev/null 2>&1 || return 0
  f_said=$(guard 600 "$S_ENGINE" pull "$S_IMAGE" 2>&1) ||
    fail no_image "$S_IMAGE" "$(printf '%s\n' "$f_said" | tail -n 2)"
}

# run_it: a new container.
run_it() { call "$S_LIMIT" "$S_ENGINE$NL$S_ARGS"; }

# activate: make the registry take up its files. Bounded; what is said goes to a file, since a daemon
# that a script starts would keep a pipe, and with it the operator's connection, open.
activate() {
  (
    # What is started here must not inherit ignored signals.
    trap - HUP PIPE TERM INT
    case $S_WAY.$PLAN in
      files.*) ;;
      command.*) guard "$S_LIMIT" sh -c "$S_COMMAND" ;;
      systemd.*)
        # StartLimitBurst would refuse the start that matters most.
        guard 20 systemctl reset-failed "$S_UNIT"
        guard "$S_LIMIT" systemctl restart "$S_UNIT"
        ;;
      compose.*)
        if [ -n "$(compose ps -q "$S_SERVICE")" ]; then compose restart "$S_SERVICE"; else compose up -d "$S_SERVICE"; fi
        ;;
      container.create) old_stopped && run_it ;;
      container.recreate) stand_aside && old_stopped && run_it ;;
      container.*) old_stopped && engine restart "$S_NAME" ;;
      *) engine restart "$S_NAME" ;;
    esac
  ) >"$LOG" 2>&1 </dev/null
}

# restless ENGINE...: whether a container does not run, or was started again since the last look: Podman
# does that at once, so that it is hardly ever seen at rest.
restless() {
  d_now=$(guard 10 "$@" 2>/dev/null)
  d_then=$RESTARTS
  RESTARTS=${d_now#* }
  [ "$d_now" != "running $d_then" ]
}

# down: whether what runs the registry has ended, or ends again and again.
down() {
  case $S_WAY in
    systemd)
      case $(guard 10 systemctl is-active "$S_UNIT" 2>/dev/null) in active | reloading | refreshing) return 1 ;; esac
      ;;
    container | existing)
      restless "$S_ENGINE" container inspect -f '{{.State.Status}} {{.RestartCount}}' "$S_NAME"
      ;;
    compose)
      # Asking compose costs too much to do it each time; its second generation lists what runs only.
      [ -n "$MEMBER" ] || MEMBER=$(compose ps -q "$S_SERVICE" 2>/dev/null)
      MEMBER=${MEMBER%%"$NL"*}
      [ -z "$MEMBER" ] || restless docker container inspect -f '{{.State.Status}} {{.RestartCount}}' "$MEMBER"
      ;;
    *) return 1 ;;
  esac
}

# until_served PRINT...: wait until one of these is served. Sets WHY otherwise: ended, other (another
# one is served, and stays) or silent. Without openssl it is enough that the registry keeps running.
until_served() {
  WHY=
  now
  u_end=$((NOW + S_LIMIT * 100))
  u_other=
  MEMBER=
  RESTARTS=0
  u_down=0
  u_polls=0
  while :; do
    served
    case " $* " in *" $SERVED "*) [ "$SERVED" = - ] || return 0 ;; esac
    now
    if [ "$SERVED" = - ]; then
      u_other=
    else
      u_other=${u_other:-$NOW}
      # A proxy may finish old connections first; a registry reads its files once.
      if [ $((NOW - u_other)) -gt 1000 ]; then
        WHY=other
        return 1
      fi
    fi
    if down; then u_down=$((u_down + 1)); else u_down=0; fi
    if [ "$u_down" -ge 6 ]; then
      WHY=ended
      return 1
    fi
    u_polls=$((u_polls + 1))
    [ "$OPENSSL" = yes ] || [ "$u_polls" -lt 8 ] || [ "$u_down" -gt 0 ] || return 0
    if [ "$NOW" -ge "$u_end" ]; then
      WHY=silent
      return 1
    fi
    sleep 0.4 2>/dev/null || sleep 1
  done
}

# last_words SINCE: of whatever runs the registry.
last_words() {
  {
    tail -n 5 "$LOG"
    case $S_WAY in
      systemd) guard 10 journalctl -u "$S_UNIT" -n 20 --no-pager -o cat --since "@$1" ;;
      container | existing) engine logs --tail 20 "$S_NAME" ;;
      compose) compose logs --no-color --tail 20 "$S_SERVICE" ;;
    esac
  } 2>&1 </dev/null | tail -n 25 | cut -c 1-400 | hex
}
