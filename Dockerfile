# The image is one static binary. For both architectures:
#
#   docker buildx build --platform linux/amd64,linux/arm64 -t registry.example.com/secretfence:0.1.0 --push .
#
# Alpine's own target is musl, which links statically; so the stage that builds runs on the architecture it builds for.
FROM docker.io/library/rust:1.95.0-alpine AS build
# One dependency has a part in C and assembly.
RUN apk add --no-cache gcc musl-dev
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin secretfence \
 && mkdir /image \
 && cp target/release/secretfence /image/

FROM scratch
LABEL org.opencontainers.image.title="secretfence" \
      org.opencontainers.image.description="A Kubernetes admission webhook that keeps Secrets out of environment variables" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image/secretfence /secretfence
# A number: the kubelet cannot tell by a name whether it is root.
USER 65532:65532
EXPOSE 8443 8080
ENTRYPOINT ["/secretfence"]
