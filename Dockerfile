# The image of the control plane: one binary, no shell, not root.
#   docker build --tag docker.io/pillion/pillion:0.1.0 .
# What the binaries are made of (CycloneDX), written to ./pillion.cdx.json and ./pillion-proxy.cdx.json:
#   docker build --target sbom --output . .
#
# Images are named by the digests of their multi-platform indices, for tags move. To
# move on to what a tag is now: docker buildx imagetools inspect IMAGE:TAG

# The compiler of rust-toolchain.toml, on the Debian release of the image below: glibc must not be newer here than there.
# The tag's last digest, from before August 2026.
FROM docker.io/library/rust:1.95.0-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS source
WORKDIR /src
COPY . .

FROM source AS build
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package pillion --bin pillion \
    && install -D target/release/pillion /out/pillion

FROM source AS bill
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/hack/.cache \
    hack/sbom /out/pillion.cdx.json pillion \
    && hack/sbom /out/pillion-proxy.cdx.json pillion-proxy

FROM scratch AS sbom
COPY --from=bill /out/ /

# The proxy, with the iptables of Debian and what they need, extracted without Debian's own tools and documentation.
# It is stripped here because Cargo ignores the profile's `strip` for a package that overrides any of it.
#   docker build --target pillion-proxy --tag docker.io/pillion/pillion-proxy:0.1.0 .
FROM source AS build-proxy
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package pillion-proxy --bin pillion-proxy \
    && install -D --strip target/release/pillion-proxy /out/usr/local/bin/pillion-proxy
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends mmdebstrap libcap2-bin
RUN mmdebstrap --quiet --format=tar --variant=extract --include=libc6,libgcc-s1,iptables \
      --dpkgopt='path-exclude=/usr/share/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
      --dpkgopt='path-exclude=/usr/lib/*/gconv/*' bookworm - | tar --extract --directory /out \
    && for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do \
         ln -s xtables-nft-multi "/out/usr/sbin/$name"; done \
    && mkdir -p /out/tmp /out/run /out/var/lib/istio/data /out/etc/ssl/certs && chmod 1777 /out/tmp \
    # The roots of the system, for `tls.mode: SIMPLE` (docs/security.md): Mozilla's, and none that was added here.
    && cat /usr/share/ca-certificates/mozilla/*.crt >/out/etc/ssl/certs/ca-certificates.crt \
    # For `init` without root. Not effective by themselves: the sidecar runs without them (docs/capture.md).
    && setcap cap_net_admin,cap_net_raw+p /out/usr/local/bin/pillion-proxy

FROM scratch AS pillion-proxy
# BuildKit keeps the file capabilities (security.capability).
COPY --from=build-proxy /out/ /
ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
USER 1337:1337
EXPOSE 15020 15021 15090
ENTRYPOINT ["/usr/local/bin/pillion-proxy"]
CMD ["sidecar"]

# glibc and libgcc, which the binary links; no package manager and no shell.
# The tag's digest in October 2026.
FROM gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f AS pillion
COPY --from=build /out/pillion /usr/local/bin/pillion
# A number, so that runAsNonRoot can be checked without the image's /etc/passwd.
USER 65532:65532
EXPOSE 15014 15017
ENTRYPOINT ["/usr/local/bin/pillion"]
CMD ["injector"]
