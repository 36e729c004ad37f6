/*
 * The C ABI between a Plugbay host and its native plugins.
 *
 * Generated from plugin-sdk/abi/src/raw.rs and src/kind. Do not edit.
 *
 * A plugin defines a `plugbay_vtable` and a table for each kind of its capabilities, passes the
 * vtable to `PLUGBAY_PLUGIN`, and is linked as a shared library: `cc -shared -fPIC
 * -fvisibility=hidden`. examples/rot13.c is a complete plugin. plugbay_json.h reads a
 * plugin's config, plugbay_cbor.h reads and writes documents; examples/properties.c uses both.
 *
 * - The side that allocates a buffer frees it. A returned buffer carries its own `free`; an argument
 *   is borrowed until the call returns.
 * - The host is an argument of every call, valid until the call returns, on its thread only.
 * - An instance is shared between threads: all its functions but `destroy` may run at once. What they
 *   change in it they guard with a lock or by atomic operations.
 * - No C++ exception may leave a function: declare the functions `noexcept`.
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
 * The version of this ABI. A host refuses a plugin of another version.
 */
#define PLUGBAY_VERSION 2

/**
 * The first bytes of a header.
 */
#define PLUGBAY_MAGIC {0x50, 0x4c, 0x55, 0x47, 0x42, 0x41, 0x59, 0x00}

/*
 * The levels of log lines, the most severe first.
 */
#define PLUGBAY_LEVEL_ERROR 0
#define PLUGBAY_LEVEL_WARN 1
#define PLUGBAY_LEVEL_INFO 2
#define PLUGBAY_LEVEL_DEBUG 3
#define PLUGBAY_LEVEL_TRACE 4

/*
 * The kinds of metrics.
 */
#define PLUGBAY_METRIC_COUNTER 0
#define PLUGBAY_METRIC_GAUGE 1
#define PLUGBAY_METRIC_HISTOGRAM 2

/**
 * The header, which a host reads from the file before any code of the plugin runs.
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
   * Reserved: zero.
   */
  uint32_t reserved;
} plugbay_header;

/**
 * The status of a call.
 *
 * Not an enum: the other side may return any number. An unknown one counts as `INTERNAL`.
 */
typedef uint32_t plugbay_status;
/**
 * The call succeeded.
 */
#define PLUGBAY_OK 0
/**
 * The caller's input is wrong.
 */
#define PLUGBAY_INVALID_INPUT 1
/**
 * The input is valid, but the callee cannot do what it asks for.
 */
#define PLUGBAY_UNSUPPORTED 2
/**
 * The callee cannot answer now.
 */
#define PLUGBAY_UNAVAILABLE 3
/**
 * The callee failed.
 */
#define PLUGBAY_INTERNAL 4
/**
 * The callee panicked; if it is an instance, it should serve no more calls.
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
   * The number of bytes.
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
   * The number of elements.
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
   * The number of elements.
   */
  size_t len;
} plugbay_texts;

/**
 * Receives one codec of the host: its name and its media types, valid for the call.
 */
typedef void (*plugbay_visit)(void *arg, plugbay_bytes name, plugbay_texts media_types);

/**
 * Owned bytes. Their receiver calls `free` exactly once, from any thread, with `ptr`, `len` and
 * `cap`. If `free` is null there is nothing to free.
 *
 * `ptr` is valid for reads of `len` bytes until then, and may be null when `len` is 0.
 */
typedef struct {
  /**
   * The first byte.
   */
  uint8_t *ptr;
  /**
   * The number of bytes.
   */
  size_t len;
  /**
   * The capacity of the allocation, for `free`. The receiver does not use it.
   */
  size_t cap;
  /**
   * Frees the bytes.
   */
  void (*free)(uint8_t *ptr, size_t len, size_t cap);
} plugbay_buf;

/**
 * Borrowed array. `ptr` is valid for the call for reads of `len` elements and aligned for them;
 * when `len` is 0 it may be null or dangle.
 */
typedef struct {
  /**
   * The first element.
   */
  const double *ptr;
  /**
   * The number of elements.
   */
  size_t len;
} plugbay_numbers;

/**
 * The functions of the host, which a plugin may call during a call.
 *
 * `ctx` is that of the `plugbay_host`. A function with `out` writes one `plugbay_buf` there, whatever status
 * it returns: with `PLUGBAY_OK` the result, else the error message. It never reads `out`.
 */
typedef struct {
  /**
   * The size of this struct in bytes; a plugin reads no fields beyond it.
   */
  uint32_t size;
  /**
   * `PLUGBAY_VERSION`.
   */
  uint32_t version;
  /**
   * Writes a log line with fields. `level` is 0 (error) to 4 (trace); a greater one counts as 4.
   */
  void (*log)(const void *ctx, uint32_t level, plugbay_bytes message, plugbay_pairs fields);
  /**
   * Whether the host records lines of this level.
   */
  bool (*log_enabled)(const void *ctx, uint32_t level);
  /**
   * Adds `delta` to the counter `name`.
   */
  void (*metric_add)(const void *ctx, plugbay_bytes name, uint64_t delta);
  /**
   * Sets the gauge `name` to `value`.
   */
  void (*metric_set)(const void *ctx, plugbay_bytes name, double value);
  /**
   * Calls `visit` with `arg` once for each codec of the host, sorted by name.
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
  /**
   * The id of the request that the call belongs to, as in the host's log: 1 to 128 ASCII letters,
   * digits and characters of `-._:+/=`, valid for the call. Null if the caller named none, and outside
   * of a call of a capability, as in `create`.
   */
  plugbay_bytes (*request_id)(const void *ctx);
  /**
   * The number of the generation with which the call began; 0 outside of a call of a capability.
   */
  uint64_t (*generation)(const void *ctx);
  /**
   * The request's place in a distributed trace, for the header field `traceparent` of requests that
   * the plugin makes (W3C Trace Context, version 00), valid for the call. If the host records the request,
   * this names the host's span of the call as the parent. Otherwise it is the one that the caller named, or
   * null if that is not valid. Null outside of a call of a capability.
   */
  plugbay_bytes (*trace_parent)(const void *ctx);
  /**
   * What other tracing systems added to that trace, for the header field `tracestate` of the same
   * requests: at most 512 bytes, valid for the call. Null without a `trace_parent`, and if the caller named
   * none.
   */
  plugbay_bytes (*trace_state)(const void *ctx);
  /**
   * The time until the deadline of the call, in nanoseconds; 0 once it has passed, and `UINT64_MAX` if
   * the call has no deadline, as outside of a call of a capability.
   */
  uint64_t (*time_left)(const void *ctx);
  /**
   * Counts `value` in the histogram `name`.
   */
  void (*metric_observe)(const void *ctx, plugbay_bytes name, double value);
  /**
   * Describes the metric `name`, as a rule in `create`. `kind` is 0 (counter), 1 (gauge) or 2
   * (histogram). `help` says what it measures, in words for people, without control characters; the
   * host cuts it to 1,024 bytes. `unit` is the unit of its values, as `seconds`: at most 32 lowercase
   * letters, digits and `_`; empty for none. `buckets` are the upper bounds of a histogram's buckets:
   * at most 32 finite, ascending numbers; without any the host chooses some for durations in seconds.
   *
   * `PLUGBAY_INVALID_INPUT` says that something breaks a rule, or that the metric is there and
   * differs; `PLUGBAY_UNSUPPORTED` that the plugin has too many. Describing a metric again in the same
   * way is no error. With `PLUGBAY_OK` the result is empty.
   */
  plugbay_status (*metric_describe)(
      const void *ctx, plugbay_bytes name, uint32_t kind, plugbay_bytes help, plugbay_bytes unit,
      plugbay_numbers buckets, plugbay_buf *out);
} plugbay_host_vtable;

/**
 * The host of a call. Both pointers are valid for the call, on the thread of the call only. `ctx`
 * is opaque to the plugin.
 */
typedef struct {
  /**
   * The first argument of each of the host's functions.
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
   * The table of the kind's functions, for a codec a `plugbay_codec_table`; never null. Every table
   * begins with its size in bytes and its version, two numbers of 32 bits.
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
   * The number of elements.
   */
  size_t len;
} plugbay_kinds;

/**
 * A plugin's functions, and its kinds. All functions are required: none may be null.
 *
 * The vtable and all that it points to do not change as long as the library is loaded. `instance`
 * is a pointer that `create` wrote and that was not yet passed to `destroy`. A function with `out`
 * writes one `plugbay_buf` there, whatever status it returns: with `PLUGBAY_OK` the result, which may
 * be empty, else the error message. It never reads `out`.
 */
typedef struct {
  /**
   * The size of this struct in bytes; a host reads no fields beyond it.
   */
  uint32_t size;
  /**
   * `PLUGBAY_VERSION`.
   */
  uint32_t version;
  /**
   * Describes the plugin, as JSON (a C plugin writes it as a literal):
   *
   * ```json
   * {
   *   "name": "tabular", "version": "1.2.0", "description": "tables as text",
   *   "capabilities": [
   *     {"kind": "codec", "name": "csv", "description": "", "media_types": ["text/csv"]},
   *     {"kind": "handler", "name": "stats", "description": "",
   *      "routes": [{"methods": ["GET"], "path": "/stats/{table}"}], "nonblocking": false}
   *   ],
   *   "config_schema": {"type": "object"}
   * }
   * ```
   *
   * `media_types`, `routes`, `nonblocking` and `config_schema` may be absent; a null schema counts as
   * absent. `nonblocking` counts in a plugin that is linked into the host.
   */
  plugbay_status (*describe)(plugbay_host host, plugbay_buf *out);
  /**
   * Creates an instance. `config` is a JSON object. Only with `PLUGBAY_OK` the function writes
   * `instance`, which then is not null.
   */
  plugbay_status (*create)(
      plugbay_host host, plugbay_bytes config, void **instance, plugbay_buf *out);
  /**
   * Says whether the instance can serve.
   */
  plugbay_status (*health)(void *instance, plugbay_host host, plugbay_buf *out);
  /**
   * The last call that an instance gets before `destroy`.
   */
  void (*shutdown)(void *instance, plugbay_host host);
  /**
   * Frees the instance. No other call of the instance may be running, and none may follow.
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
 * `instance` is the pointer that `create` wrote. Each function writes one `plugbay_buf` to `out`,
 * whatever status it returns: with `PLUGBAY_OK` the result, which may be empty, else the error
 * message. It never reads `out`.
 */
typedef struct {
  /**
   * The size of this struct in bytes; a host reads no fields beyond it.
   */
  uint32_t size;
  /**
   * The version of this table: 1.
   */
  uint32_t version;
  /**
   * Writes `document` (one CBOR item) with the capability `index`.
   */
  plugbay_status (*encode)(
      void *instance, plugbay_host host, uint32_t index, plugbay_bytes document, plugbay_buf *out);
  /**
   * Reads `bytes` with the capability `index` into one CBOR item.
   */
  plugbay_status (*decode)(
      void *instance, plugbay_host host, uint32_t index, plugbay_bytes bytes, plugbay_buf *out);
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
   * The query without `?`; null for a URL without one.
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
 * A handler's answer to a request. Its receiver calls `free` with `owner` exactly once, from any
 * thread; everything in the response is valid until then. If `free` is null there is nothing to
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
   * The argument of `free`.
   */
  void *owner;
  /**
   * Frees the response.
   */
  void (*free)(void *owner);
} plugbay_response;

/**
 * The functions of the kind `handler`. All are required.
 *
 * `instance` is the pointer that `create` wrote.
 */
typedef struct {
  /**
   * The size of this struct in bytes; a host reads no fields beyond it.
   */
  uint32_t size;
  /**
   * The version of this table: 1.
   */
  uint32_t version;
  /**
   * Answers one request with the capability `index`. Writes `response` only if it returns
   * `PLUGBAY_OK`, and `error` only if it does not.
   */
  plugbay_status (*handle)(
      void *instance, plugbay_host host, uint32_t index, const plugbay_request *request,
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
 * The header of the plugin. A host reads it from the file before any code of the plugin runs.
 */
extern PLUGBAY_EXPORT const plugbay_header plugbay_abi;

/**
 * The entry function of the plugin.
 */
PLUGBAY_EXPORT const plugbay_vtable *plugbay_entry_v2(void);

/**
 * Makes the library a plugin. Use it once, outside of any function. `vtable` is a static
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
 * The bytes of a text that ends with a zero, without the zero. Valid as long as `text` is.
 */
static inline plugbay_bytes plugbay_text(const char *text) {
  plugbay_bytes bytes;
  bytes.ptr = (const uint8_t *)text;
  bytes.len = strlen(text);
  return bytes;
}

/**
 * A result or an error message that is a literal: there is nothing to free.
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
