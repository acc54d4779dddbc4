# syntax=docker/dockerfile:1
# The image of the control plane: one binary, no shell, not root.
#   docker build --tag docker.io/pillion/pillion:0.1.0 .

# The compiler of rust-toolchain.toml, on the Debian release of the image below: glibc must not be newer here than there.
FROM docker.io/library/rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package pillion --bin pillion \
    && install -D target/release/pillion /out/pillion

# glibc and libgcc, which the binary links; no package manager and no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/pillion /usr/local/bin/pillion
# A number, so that runAsNonRoot can be checked without the image's /etc/passwd.
USER 65532:65532
EXPOSE 15014 15017
ENTRYPOINT ["/usr/local/bin/pillion"]
CMD ["injector"]
