/*
 * A plugin for the tests: a codec whose `encode` returns its input, and whose `decode` returns the
 * marker of the build. Each macro makes it misbehave in one way.
 */

#include "plugbay.h"

#include <stdlib.h>

/* Hangs as long as the file GATE exists. */
#if defined(GATE)
#include <unistd.h>
__attribute__((unused)) static void wait_for_gate(void) {
  while (access(GATE, F_OK) == 0) {
    usleep(1000);
  }
}
#else
#define wait_for_gate()
#endif

#if defined(LOAD_HANGS)
__attribute__((constructor)) static void load(void) { wait_for_gate(); }
#endif

/* A CBOR text of 15 bytes. Tests change the digits in the file, which makes another library. */
static const char marker[] = "\x6f" "marker:00000000";

#ifndef DESCRIPTION
#define DESCRIPTION                                                            \
  "{\"name\": \"fixture\", \"version\": \"1.0.0\","                            \
  " \"capabilities\": [{\"kind\": \"codec\", \"name\": \"echo\"},"           \
  " {\"kind\": \"handler\", \"name\": \"hand\"}]}"
#endif

static void free_answer(uint8_t *ptr, size_t len, size_t cap) {
  (void)len;
  (void)cap;
  free(ptr);
}

static plugbay_buf copy(const void *bytes, size_t len) {
  plugbay_buf buf;
  buf.ptr = malloc(len + 1);
  buf.len = buf.ptr == NULL ? 0 : len;
  buf.cap = len;
  buf.free = free_answer;
  if (buf.ptr != NULL) {
    memcpy(buf.ptr, bytes, len);
  }
  return buf;
}

static plugbay_status describe(plugbay_host host, plugbay_buf *out) {
  (void)host;
#if defined(DESCRIBE_HANGS)
  wait_for_gate();
#endif
#if defined(DESCRIBE_FAILS)
  *out = plugbay_literal("no description today");
  return PLUGBAY_UNAVAILABLE;
#elif defined(DESCRIBE_HUGE)
  /* More than a host reads, and more than it would read to the end. */
  *out = plugbay_literal("");
  out->len = (size_t)64 << 20;
  out->ptr = malloc(out->len);
  out->free = free_answer;
  if (out->ptr != NULL) {
    memset(out->ptr, ' ', out->len);
  }
#elif defined(DESCRIBE_NULL)
  *out = plugbay_literal("");
  out->ptr = NULL;
#else
  *out = plugbay_literal(DESCRIPTION);
#endif
  return PLUGBAY_OK;
}

static plugbay_status create(plugbay_host host, plugbay_bytes config, void **instance,
                             plugbay_buf *out) {
  (void)host;
  (void)config;
#if defined(CREATE_HANGS)
  wait_for_gate();
#endif
#if defined(CREATE_IS_GATED)
  if (access(GATE, F_OK) == 0) {
    *out = plugbay_literal("no licence while the gate is closed");
    return PLUGBAY_UNAVAILABLE;
  }
#endif
#if defined(CREATE_FAILS)
  (void)instance;
  *out = plugbay_literal("expected a licence, found none");
  return PLUGBAY_INVALID_INPUT;
#elif defined(CREATE_NULL)
  *instance = NULL;
  *out = plugbay_literal("");
  return PLUGBAY_OK;
#else
  /* This plugin has no state, but the instance must not be null. */
  static char instance_of_all;
  *instance = &instance_of_all;
  *out = plugbay_literal("");
  return PLUGBAY_OK;
#endif
}

static plugbay_status health(void *instance, plugbay_host host, plugbay_buf *out) {
  (void)instance;
  (void)host;
#if defined(HEALTH_HANGS)
  wait_for_gate();
#endif
#if defined(HEALTH_FAILS)
  *out = plugbay_literal("expected a disk, found none");
  return PLUGBAY_UNAVAILABLE;
#else
  *out = plugbay_literal("");
  return PLUGBAY_OK;
#endif
}

static plugbay_status encode(void *instance, plugbay_host host, uint32_t index,
                             plugbay_bytes document, plugbay_buf *out) {
  (void)instance;
  (void)host;
  (void)index;
#if defined(QUESTIONS)
  for (int i = 0; i < QUESTIONS; i++) {
    (void)host.vtable->log_enabled(host.ctx, 0);
  }
#endif
#if defined(STATUS)
  (void)document;
  *out = plugbay_literal("as asked");
  return STATUS;
#else
  *out = copy(document.ptr, document.len);
  return PLUGBAY_OK;
#endif
}

static plugbay_status decode(void *instance, plugbay_host host, uint32_t index,
                             plugbay_bytes bytes, plugbay_buf *out) {
  (void)instance;
  (void)host;
  (void)index;
  (void)bytes;
  /* Read as something that may change, so that no compiler copies the text elsewhere. */
  const volatile char *text = marker;
  char now[sizeof(marker) - 1];
  for (size_t i = 0; i < sizeof(now); i++) {
    now[i] = text[i];
  }
  *out = copy(now, sizeof(now));
  return PLUGBAY_OK;
}

static plugbay_status handle(void *instance, plugbay_host host, uint32_t index,
                             const plugbay_request *request, plugbay_response *response,
                             plugbay_buf *error) {
  (void)instance;
  (void)host;
  (void)index;
  (void)request;
  (void)response;
#if defined(HANDLE_HANGS)
  wait_for_gate();
#endif
  *error = plugbay_literal("no handler");
  return PLUGBAY_UNSUPPORTED;
}

static void shutdown(void *instance, plugbay_host host) {
  (void)instance;
  (void)host;
#if defined(SHUTDOWN_HANGS)
  wait_for_gate();
#endif
}

static void destroy(void *instance, plugbay_host host) {
  (void)instance;
  (void)host;
#if defined(DESTROY_HANGS)
  wait_for_gate();
#endif
}

#ifndef VTABLE_SIZE
#define VTABLE_SIZE sizeof(plugbay_vtable)
#endif
#ifndef VTABLE_VERSION
#define VTABLE_VERSION PLUGBAY_VERSION
#endif

#if defined(NULL_FUNCTION)
#define HANDLE NULL
#else
#define HANDLE handle
#endif

#ifndef CODEC_VERSION
#define CODEC_VERSION 1
#endif

static const plugbay_codec_table codec = {
    sizeof(plugbay_codec_table), CODEC_VERSION, encode, decode,
};

static const plugbay_handler_table handler = {
    sizeof(plugbay_handler_table), 1, HANDLE,
};

static const plugbay_kind kinds[] = {
    PLUGBAY_KIND("codec", codec),
    PLUGBAY_KIND("handler", handler),
};

#if defined(CODECS_ALONE)
#define KINDS 1
#else
#define KINDS 2
#endif

static const plugbay_vtable vtable = {
    VTABLE_SIZE, VTABLE_VERSION, describe, create, health, shutdown, destroy, {kinds, KINDS},
};

#if defined(NULL_FUNCTION)
/* Without this reference `handle` would be unused. */
extern plugbay_handler_table unused;
plugbay_handler_table unused = {.handle = handle};
#endif

#if defined(NEEDS)
/* A function of another library, or of none. */
int NEEDS(void);
PLUGBAY_EXPORT int needs(void) { return NEEDS(); }
#endif

#if defined(NO_HEADER)
const plugbay_vtable *plugbay_entry_v2(void) { return &vtable; }
#elif defined(NO_ENTRY)
PLUGBAY_EXPORT const void *plugbay_entry_v0(void) { return &vtable; }
PLUGBAY_IN_SECTION const plugbay_header plugbay_abi = {
    PLUGBAY_MAGIC, PLUGBAY_VERSION, sizeof(plugbay_header), sizeof(plugbay_vtable), 0};
#elif defined(NULL_ENTRY)
const plugbay_vtable *plugbay_entry_v2(void) { return (void)vtable, NULL; }
PLUGBAY_IN_SECTION const plugbay_header plugbay_abi = {
    PLUGBAY_MAGIC, PLUGBAY_VERSION, sizeof(plugbay_header), sizeof(plugbay_vtable), 0};
#else
PLUGBAY_PLUGIN(vtable);
#endif

#if defined(EXECUTABLE)
int main(void) { return 0; }
#endif
