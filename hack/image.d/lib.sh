# shellcheck shell=bash
# Makes container images without Docker: layers by tar, manifests by crane through a registry of
# its own on loopback, which lives as long as the script. Sourced behind common.sh.

registry_pid=
registry_folder=

# image_end: ends the registry. For the caller's trap.
image_end() {
  if [ -n "$registry_pid" ]; then
    kill "$registry_pid" 2>/dev/null || true
    wait "$registry_pid" 2>/dev/null || true
    registry_pid=
  fi
  if [ -n "$registry_folder" ]; then rm -rf "$registry_folder"; fi
}

start_registry() {
  [ -z "$registry_pid" ] || return 0
  registry_folder=$(mktemp -d)
  : >"$registry_folder/log"
  "$PILLION_TOOLS/crane" registry serve --address 127.0.0.1:0 --disk "$registry_folder" >"$registry_folder/log" 2>&1 &
  registry_pid=$!
  local waited=0
  until registry=$(sed -n 's/.*serving on port \([0-9]*\).*/127.0.0.1:\1/p' "$registry_folder/log") && [ -n "$registry" ]; do
    sleep 0.05
    [ $((waited += 1)) -lt 200 ] || fail "crane's registry did not start: $(cat "$registry_folder/log")"
  done
}

# image_layer FOLDER FILE [TAR-OPTION…]: a layer of what is in a folder, the same for the same content.
image_layer() {
  local folder=$1 file=$2
  shift 2
  tar --create --file "$file" --directory "$folder" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
    --format=posix --pax-option=delete=atime,delete=ctime "$@" .
}

# image FILE TAG --layer LAYER… -- OPTION…: an archive for `docker load` and `ctr images import`. The options are
# those of `crane mutate`: --entrypoint, --cmd, --user, --env, --label, --exposed-ports.
image() {
  local file=$1 tag=$2 layers=() reference
  shift 2
  while [ "$1" = --layer ]; do
    layers+=(--new_layer "$2")
    shift 2
  done
  shift
  start_registry
  reference=$registry/image/$(basename "$file" | tr -c 'a-z0-9\n' -):1
  "$PILLION_TOOLS/crane" append --insecure --platform "linux/$(image_architecture)" "${layers[@]}" --new_tag "$reference" >"$registry_folder/append" 2>&1 ||
    fail "crane cannot make $tag of ${layers[*]}: $(tail -n 1 "$registry_folder/append")"
  "$PILLION_TOOLS/crane" mutate --insecure --set-platform "linux/$(image_architecture)" "$@" --tag "$tag" --output "$file.part" "$reference" >/dev/null ||
    fail "crane cannot make $file with $*"
  mv "$file.part" "$file"
}

image_architecture() {
  case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) fail "no image can be made on $(uname -m)" ;;
  esac
}
