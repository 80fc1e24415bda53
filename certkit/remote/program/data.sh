# shellcheck shell=sh disable=SC2034 # the parts are joined before they run
# Reads the data: one `key value` a line; a blob's lines begin with | and may hold anything.
# Runtime r has r_KEY_r, file f has f_KEY_f, reference k has k_KEY_k, question q has
# q_KEY_q, blob b has blob_b. What a retirement needs is in o_KEY.
R=0
F=0
K=0
B=0
Q=0
A=0
NESTED=
O_CHECK=0
O_FORCE=0
O_RESTARTS=0
O_DUE=0
O_WAIT=15
O_OPERATOR=
O_IMAGE=
O_LIMIT=60
O_SYSTEM=0

# load: by splitting, which takes no process and no read for each byte. The program's own lines, which
# P begins with, are as many as it was told.
load() {
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
      nested) NESTED=$VALUE ;;
      check) O_CHECK=$VALUE ;;
      force) O_FORCE=$VALUE ;;
      restarts) O_RESTARTS=$VALUE ;;
      due) O_DUE=$VALUE ;;
      wait) O_WAIT=$VALUE ;;
      operator) O_OPERATOR=$VALUE ;;
      image) O_IMAGE=$VALUE ;;
      limit-probe) O_LIMIT=$VALUE ;;
      system) O_SYSTEM=$VALUE ;;
      reached | before | after) put "o_$KEY" "$VALUE" ;;
      blob)
        B=$((B + 1))
        d_blob=
        d_first=
        ;;
      blob-end) put "blob_$B" "$d_blob" ;;
      runtime)
        R=$((R + 1))
        for d_key in detect version health verify shadow hide elsewhere user service scope \
          command pull digest present remove found settings pidfile gone; do
          put "r_${d_key}_$R" ''
        done
        put "r_name_$R" "$VALUE"
        put "r_named_$R" 0
        put "r_peruser_$R" 0
        put "r_limit_$R" 90
        ;;
      detect | version | health | verify | shadow | hide | elsewhere | pull | digest | present | remove | gone)
        add "r_${KEY}_$R" "$VALUE"
        ;;
      named | peruser | user | service | scope | command | limit | settings | pidfile) put "r_${KEY}_$R" "$VALUE" ;;
      file)
        F=$((F + 1))
        put "f_path_$F" "$VALUE"
        put "f_runtime_$F" "$R"
        put "f_action_$F" skip
        put "f_absent_$F" ''
        ;;
      mode | perm | owner | content | absent) put "f_${KEY}_$F" "$VALUE" ;;
      reference)
        K=$((K + 1))
        put "k_text_$K" "$VALUE"
        ;;
      authority)
        A=$((A + 1))
        put "a_blob_$A" "$VALUE"
        ;;
      connect | host | isip | cafile) put "k_${KEY}_$K" "$VALUE" ;;
      ask)
        Q=$((Q + 1))
        put "q_ask_$Q" "$VALUE"
        put "q_runtime_$Q" "$R"
        put "q_words_$Q" ''
        ;;
      word) add "q_words_$Q" "$VALUE" ;;
      "end-$N") ;;
      *) fail internal "$KEY" 'unknown key' ;;
    esac
  done
  IFS=' 	
'
}

# expand PATH: ~/ is the home and @run/ the runtime directory of whoever runs this.
expand() {
  # shellcheck disable=SC2088 # the two characters as they stand
  case $1 in
    '~/'*) GOT=${HOME%/}/${1#??} ;;
    '@run/'*) GOT=$RUN/${1#@run/} ;;
    *) GOT=$1 ;;
  esac
}
