# One static program and nothing else: no shell, no libraries, no authorities. deploy/image.sh builds the program and
# then this; a build of this alone takes what lies in target/image.
FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="wssgate" \
      org.opencontainers.image.description="wss in, ws out: a TLS terminator for WebSocket servers" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY target/image/wssgate /wssgate
# Nobody's: it needs no rights and writes no files.
USER 65532:65532
# Where `wssgate healthcheck` asks.
ENV WSSGATE_ADMIN=127.0.0.1:9440
EXPOSE 8443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["/wssgate", "healthcheck"]
ENTRYPOINT ["/wssgate"]
