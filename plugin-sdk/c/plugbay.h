/*
 * The C ABI between a Plugbay host and its native plugins.
 *
 * Made of plugin-sdk/abi/src/raw.rs and src/kind. Do not edit.
 *
 * A plugin fills in one `plugbay_vtable` and a table for each kind of its capabilities, names the
 * first in `PLUGBAY_PLUGIN`, and is linked as a shared library: `cc -shared -fPIC
 * -fvisibility=hidden`. examples/rot13.c is a whole one.
 *
 * - Who makes a buffer frees it. What is handed out carries its own `free`; what is handed in is
 *   borrowed until the call returns.
 * - The host comes with every call, is valid until it returns, and on its thread only.
 * - An instance is shared between threads: all its functions but `destroy` may run at once.
 * - No exception of C++ may leave a function; `noexcept` says so.
 * - C++: build with -fno-gnu-unique. Otherwise two versions of a plugin share static variables of
 *   templates and inline functions.
 *
 * "Valid for the call" means: readable, unchanged by anyone, until the function that it is an
 * argument of returns. All texts are UTF-8 without a terminating zero.
 */

#ifndef PLUGBAY_H
#define PLUGBAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The version of this ABI. Hosts refuse what they do not know.
 */
#define PLUGBAY_VERSION 2

/**
 * How a header begins.
 */
#define PLUGBAY_MAGIC {0x50, 0x4c, 0x55, 0x47, 0x42, 0x41, 0x59, 0x00}

/*
 * The levels of log lines, what matters most first.
 */
#define PLUGBAY_LEVEL_ERROR 0
#define PLUGBAY_LEVEL_WARN 1
#define PLUGBAY_LEVEL_INFO 2
#define PLUGBAY_LEVEL_DEBUG 3
#define PLUGBAY_LEVEL_TRACE 4

/**
 * What a host reads from the file before any code of the plugin runs.
 */
typedef struct {
  /**
   * `PLUGBAY_MAGIC`.
   */
  uint8_t magic[8];
  /**
   * `PLUGBAY_VERSION`, in the byte order of the target.
   */
  uint32_t version;
  /**
   * The size of this struct in bytes.
   */
  uint32_t header_size;
  /**
   * The size of the plugin's `plugbay_vtable` in bytes.
   */
  uint32_t vtable_size;
  /**
   * Zero.
   */
  uint32_t reserved;
} plugbay_header;

/**
 * How a call ended.
 *
 * Not an enum: the other side may return any number, and an unknown one counts as internal.
 */
typedef uint32_t plugbay_status;
/**
 * It gave its answer.
 */
#define PLUGBAY_OK 0
/**
 * The caller's input is wrong.
 */
#define PLUGBAY_INVALID_INPUT 1
/**
 * It cannot do what the input asks.
 */
#define PLUGBAY_UNSUPPORTED 2
/**
 * It cannot answer now.
 */
#define PLUGBAY_UNAVAILABLE 3
/**
 * It failed.
 */
#define PLUGBAY_INTERNAL 4
/**
 * It panicked; the instance should serve no more calls.
 */
#define PLUGBAY_PANICKED 5

/**
 * Borrowed bytes. `ptr` is valid for the call for reads of `len` bytes; when `len` is 0 it may
 * be null or dangle.
 */
typedef struct {
  /**
   * The first byte.
   */
  const uint8_t *ptr;
  /**
   * How many.
   */
  size_t len;
} plugbay_bytes;

/**
 * A key and a value.
 */
typedef struct {
  /**
   * The key, a text.
   */
  plugbay_bytes key;
  /**
   * The value: bytes in header fields, a text everywhere else.
   */
  plugbay_bytes value;
} plugbay_pair;

/**
 * Borrowed array. `ptr` is valid for the call for reads of `len` elements and aligned for them;
 * when `len` is 0 it may be null or dangle.
 */
typedef struct {
  /**
   * The first element.
   */
  const plugbay_pair *ptr;
  /**
   * How many.
   */
  size_t len;
} plugbay_pairs;

/**
 * Borrowed array. `ptr` is valid for the call for reads of `len` elements and aligned for them;
 * when `len` is 0 it may be null or dangle.
 */
typedef struct {
  /**
   * The first element.
   */
  const plugbay_bytes *ptr;
  /**
   * How many.
   */
  size_t len;
} plugbay_texts;

/**
 * Receives one codec of the host: its name and its media types, valid for the call.
 */
typedef void (*plugbay_visit)(void *arg, plugbay_bytes name, plugbay_texts media_types);

/**
 * Bytes that change hands. Whoever receives one calls `free` exactly once, from any thread,
 * with its own three numbers; a null `free` means that there is nothing to free.
 *
 * `ptr` is valid for reads of `len` bytes until then, and may be null when `len` is 0.
 */
typedef struct {
  /**
   * The first byte.
   */
  uint8_t *ptr;
  /**
   * How many.
   */
  size_t len;
  /**
   * For its maker, who often needs the capacity.
   */
  size_t cap;
  /**
   * Frees it.
   */
  void (*free)(uint8_t *ptr, size_t len, size_t cap);
} plugbay_buf;

/**
 * What a plugin may ask the host for, during a call.
 *
 * `ctx` is that of the `plugbay_host`. A function with `out` writes one `plugbay_buf` there whatever it
 * returns: the answer if `PLUGBAY_OK`, else the message. It never reads what `out` held.
 */
typedef struct {
  /**
   * The size of this struct in bytes; what lies beyond is not there.
   */
  uint32_t size;
  /**
   * `PLUGBAY_VERSION`.
   */
  uint32_t version;
  /**
   * Writes a log line with fields. `level` is 0 (error) to 4 (trace); more counts as trace.
   */
  void (*log)(const void *ctx, uint32_t level, plugbay_bytes message, plugbay_pairs fields);
  /**
   * Whether lines of this level go anywhere.
   */
  bool (*log_enabled)(const void *ctx, uint32_t level);
  /**
   * Adds to a counter.
   */
  void (*metric_add)(const void *ctx, plugbay_bytes name, uint64_t delta);
  /**
   * Sets a gauge.
   */
  void (*metric_set)(const void *ctx, plugbay_bytes name, double value);
  /**
   * Calls `visit` with `arg` once for each codec, in the order of their names.
   */
  void (*codecs)(const void *ctx, plugbay_visit visit, void *arg);
  /**
   * Writes `document` (one CBOR item) with the codec `name`.
   */
  plugbay_status (*encode)(
      const void *ctx, plugbay_bytes name, plugbay_bytes document, plugbay_buf *out);
  /**
   * Reads `bytes` with the codec `name` into one CBOR item.
   */
  plugbay_status (*decode)(
      const void *ctx, plugbay_bytes name, plugbay_bytes bytes, plugbay_buf *out);
} plugbay_host_vtable;

/**
 * Where the plugin finds the host. Both pointers are valid for the call, on the thread of the
 * call only. The host passes `ctx` to itself; it means nothing to the plugin.
 */
typedef struct {
  /**
   * What the host's functions want as their first argument.
   */
  const void *ctx;
  /**
   * The host's functions; never null.
   */
  const plugbay_host_vtable *vtable;
} plugbay_host;

/**
 * The functions of one kind of capability that a plugin offers.
 */
typedef struct {
  /**
   * The kind's name, as in the description's capabilities: `codec`.
   */
  plugbay_bytes name;
  /**
   * The table of the kind's functions, for a codec a `plugbay_codec_table`; never null. Each begins
   * with its size in bytes and its version, two numbers of 32 bits.
   */
  const void *table;
} plugbay_kind;

/**
 * Borrowed array. `ptr` is valid for the call for reads of `len` elements and aligned for them;
 * when `len` is 0 it may be null or dangle.
 */
typedef struct {
  /**
   * The first element.
   */
  const plugbay_kind *ptr;
  /**
   * How many.
   */
  size_t len;
} plugbay_kinds;

/**
 * A plugin's functions, and its kinds. All functions are required: none may be null.
 *
 * It and all that it points to stay as they are for as long as the library is loaded. `instance`
 * is what `create` made and `destroy` has not yet taken. A function with `out` writes one `plugbay_buf`
 * there whatever it returns: the answer, which may be empty, if `PLUGBAY_OK`, else the message.
 * It never reads what `out` held.
 */
typedef struct {
  /**
   * The size of this struct in bytes; what lies beyond is not there.
   */
  uint32_t size;
  /**
   * `PLUGBAY_VERSION`.
   */
  uint32_t version;
  /**
   * Says what the plugin is, as JSON (a C plugin writes it as a literal):
   *
   * ```json
   * {
   *   "name": "tabular", "version": "1.2.0", "description": "tables as text",
   *   "capabilities": [
   *     {"kind": "codec", "name": "csv", "description": "", "media_types": ["text/csv"]},
   *     {"kind": "handler", "name": "stats", "description": "",
   *      "routes": [{"methods": ["GET"], "path": "/stats/{table}"}]}
   *   ],
   *   "config_schema": {"type": "object"}
   * }
   * ```
   *
   * `media_types`, `routes` and `config_schema` may be absent; a null schema is an absent one.
   */
  plugbay_status (*describe)(plugbay_host host, plugbay_buf *out);
  /**
   * Makes one instance. `config` is a JSON object. Writes `instance` only if it returns
   * `PLUGBAY_OK`, and then not null.
   */
  plugbay_status (*create)(
      plugbay_host host, plugbay_bytes config, void **instance, plugbay_buf *out);
  /**
   * Says whether the instance can serve.
   */
  plugbay_status (*health)(const void *instance, plugbay_host host, plugbay_buf *out);
  /**
   * The last call that an instance gets before `destroy`.
   */
  void (*shutdown)(const void *instance, plugbay_host host);
  /**
   * Frees the instance. No other call of it may be running, and none may follow.
   */
  void (*destroy)(void *instance, plugbay_host host);
  /**
   * The kinds of the capabilities that `describe` names, each once. A host skips those that it
   * does not know.
   */
  plugbay_kinds kinds;
} plugbay_vtable;

/**
 * The functions of the kind `codec`. All are required.
 *
 * `instance` is what `create` made. Each writes one `plugbay_buf`
 * to `out` whatever it returns: the answer, which may be empty, if `PLUGBAY_OK`, else the
 * message. It never reads what `out` held.
 */
typedef struct {
  /**
   * The size of this struct in bytes; what lies beyond is not there.
   */
  uint32_t size;
  /**
   * 1.
   */
  uint32_t version;
  /**
   * Writes `document` (one CBOR item) with the capability `index`.
   */
  plugbay_status (*encode)(
      const void *instance, plugbay_host host, uint32_t index, plugbay_bytes document,
      plugbay_buf *out);
  /**
   * Reads `bytes` with the capability `index` into one CBOR item.
   */
  plugbay_status (*decode)(
      const void *instance, plugbay_host host, uint32_t index, plugbay_bytes bytes,
      plugbay_buf *out);
} plugbay_codec_table;

/**
 * A request to a handler. Everything in it is valid for the call.
 */
typedef struct {
  /**
   * The upper-case method.
   */
  plugbay_bytes method;
  /**
   * The path, percent-encoded as it came, without the query.
   */
  plugbay_bytes path;
  /**
   * The query without `?`; null if there was none.
   */
  plugbay_bytes query;
  /**
   * The path parameters, percent-decoded, in the order of the route's pattern.
   */
  plugbay_pairs params;
  /**
   * The header fields, names in lower case.
   */
  plugbay_pairs headers;
  /**
   * The whole body.
   */
  plugbay_bytes body;
} plugbay_request;

/**
 * What a handler answers. Whoever receives one calls `free` exactly once, from any thread, with
 * `owner`; everything in it is valid until then. A null `free` means that there is nothing to
 * free.
 */
typedef struct {
  /**
   * The HTTP status, 200 to 599.
   */
  uint16_t status;
  /**
   * The header fields, names in lower case.
   */
  plugbay_pairs headers;
  /**
   * The whole body.
   */
  plugbay_bytes body;
  /**
   * For `free`.
   */
  void *owner;
  /**
   * Frees it.
   */
  void (*free)(void *owner);
} plugbay_response;

/**
 * The functions of the kind `handler`. All are required.
 *
 * `instance` is what `create` made.
 */
typedef struct {
  /**
   * The size of this struct in bytes; what lies beyond is not there.
   */
  uint32_t size;
  /**
   * 1.
   */
  uint32_t version;
  /**
   * Answers one request with the capability `index`. Writes `response` only if it returns
   * `PLUGBAY_OK`, and `error` only if it does not.
   */
  plugbay_status (*handle)(
      const void *instance, plugbay_host host, uint32_t index, const plugbay_request *request,
      plugbay_response *response, plugbay_buf *error);
} plugbay_handler_table;

#if defined(_WIN32)
#define PLUGBAY_EXPORT __declspec(dllexport)
#else
#define PLUGBAY_EXPORT __attribute__((visibility("default")))
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#pragma section(".plugbay", read)
#define PLUGBAY_IN_SECTION __declspec(allocate(".plugbay"))
#elif defined(__APPLE__)
#define PLUGBAY_IN_SECTION __attribute__((used, section("__DATA,__plugbay")))
#else
#define PLUGBAY_IN_SECTION __attribute__((used, section(".plugbay")))
#endif

/**
 * Read from the file before any code of the plugin runs.
 */
extern PLUGBAY_EXPORT const plugbay_header plugbay_abi;

/**
 * Where a host enters the plugin.
 */
PLUGBAY_EXPORT const plugbay_vtable *plugbay_entry_v2(void);

/**
 * Makes the library a plugin: once, outside of any function. `vtable` is a static
 * `plugbay_vtable` whose `size` is its `sizeof` and whose `version` is `PLUGBAY_VERSION`.
 */
#define PLUGBAY_PLUGIN(vtable)                                                 \
  const plugbay_vtable *plugbay_entry_v2(void) { return &(vtable); }           \
  PLUGBAY_IN_SECTION const plugbay_header plugbay_abi = {                      \
      PLUGBAY_MAGIC, PLUGBAY_VERSION, sizeof(plugbay_header),                  \
      sizeof(plugbay_vtable), 0}

/**
 * An element of a vtable's kinds: `{PLUGBAY_KIND("codec", table)}`, where `table` is a static
 * `plugbay_codec_table` whose `version` is 1.
 */
#define PLUGBAY_KIND(name, table)                                              \
  {{(const uint8_t *)(name), sizeof(name) - 1}, &(table)}

/**
 * A text that ends with a zero, for as long as it is there.
 */
static inline plugbay_bytes plugbay_text(const char *text) {
  plugbay_bytes bytes;
  bytes.ptr = (const uint8_t *)text;
  bytes.len = strlen(text);
  return bytes;
}

/**
 * A text that is there for ever, as an answer: there is nothing to free.
 */
static inline plugbay_buf plugbay_literal(const char *text) {
  plugbay_buf buf;
  buf.ptr = (uint8_t *)(uintptr_t)text;
  buf.len = strlen(text);
  buf.cap = 0;
  buf.free = NULL;
  return buf;
}

#ifdef __cplusplus
}
#endif

#endif
