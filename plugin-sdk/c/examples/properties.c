/*
 * A codec in C with a config: a map of texts as lines `key=value`.
 *
 *   cc -shared -fPIC -fvisibility=hidden -I.. -o properties.so properties.c
 *
 *   [plugins.properties.config]
 *   separator = ": "   # between key and value
 *   comment = "#"      # lines that begin with this are skipped; "" = none
 *   max_lines = 10000  # of texts that are read
 */

#include "plugbay.h"
#include "plugbay_cbor.h"
#include "plugbay_json.h"

/* What an instance keeps. Nothing changes it after `create`, so that calls at once need no lock. */
typedef struct {
  char separator[16];
  char comment[16];
  int64_t max_lines;
} properties;

static plugbay_status describe(plugbay_host host, plugbay_buf *out) {
  (void)host;
  *out = plugbay_literal(
      "{\"name\": \"properties\", \"version\": \"1.0.0\", \"description\": \"lines key=value\","
      " \"capabilities\": [{\"kind\": \"codec\", \"name\": \"properties\"}],"
      " \"config_schema\": {\"type\": \"object\", \"additionalProperties\": false,"
      " \"properties\": {"
      "\"separator\": {\"type\": \"string\", \"minLength\": 1, \"default\": \"=\"},"
      "\"comment\": {\"type\": \"string\", \"default\": \"#\"},"
      "\"max_lines\": {\"type\": \"integer\", \"minimum\": 1, \"default\": 10000}}}}");
  return PLUGBAY_OK;
}

static plugbay_status create(plugbay_host host, plugbay_bytes config, void **instance,
                             plugbay_buf *out) {
  (void)host;
  const properties defaults = {"=", "#", 10000};
  properties read = defaults;
  plugbay_error error = {PLUGBAY_OK, ""};
  plugbay_json_get_text(config, "separator", read.separator, sizeof(read.separator), &error);
  plugbay_json_get_text(config, "comment", read.comment, sizeof(read.comment), &error);
  plugbay_json_get_int(config, "max_lines", &read.max_lines, &error);
  if (strchr(read.separator, '\n') != NULL || strchr(read.comment, '\n') != NULL) {
    plugbay_set_error(&error, PLUGBAY_INVALID_INPUT,
                      "expected no line feed in the config, found one");
  }
  properties *self = malloc(sizeof(*self));
  if (self == NULL) {
    plugbay_set_error(&error, PLUGBAY_INTERNAL, "expected memory, found none left");
  }
  if (error.status != PLUGBAY_OK) {
    free(self);
    return plugbay_fail(&error, out);
  }
  *self = read;
  *instance = self;
  *out = plugbay_literal("");
  return PLUGBAY_OK;
}

/* Where a text first has `part`; null if it does not. */
static const uint8_t *find(plugbay_bytes text, const char *part) {
  size_t len = strlen(part);
  for (size_t at = 0; len <= text.len && at <= text.len - len; at++) {
    if (memcmp(text.ptr + at, part, len) == 0) {
      return text.ptr + at;
    }
  }
  return NULL;
}

static bool is_comment(const properties *self, plugbay_bytes line) {
  return self->comment[0] != '\0' && find(line, self->comment) == line.ptr;
}

/* Writes one pair, unless `decode` would read another one from the line. */
static void write_pair(const properties *self, plugbay_output *lines, const plugbay_item *key,
                       const plugbay_item *value) {
  if (key->kind != PLUGBAY_CBOR_TEXT || value->kind != PLUGBAY_CBOR_TEXT) {
    plugbay_set_error(&lines->error, PLUGBAY_UNSUPPORTED,
                      "expected a map of texts, found another %s",
                      key->kind != PLUGBAY_CBOR_TEXT ? "key" : "value");
    return;
  }
  size_t start = lines->len;
  plugbay_write(lines, key->bytes.ptr, key->bytes.len);
  plugbay_write(lines, self->separator, strlen(self->separator));
  plugbay_write(lines, value->bytes.ptr, value->bytes.len);
  if (lines->error.status != PLUGBAY_OK) {
    return;
  }
  plugbay_bytes line;
  line.ptr = lines->ptr + start;
  line.len = lines->len - start;
  if (key->bytes.len == 0 || find(line, self->separator) != line.ptr + key->bytes.len ||
      find(line, "\n") != NULL || is_comment(self, line)) {
    plugbay_set_error(&lines->error, PLUGBAY_UNSUPPORTED,
                      "expected a key and a value that one line can hold, found the key \"%.*s\"",
                      key->bytes.len < 64 ? (int)key->bytes.len : 64, (const char *)key->bytes.ptr);
  }
  plugbay_write(lines, "\n", 1);
}

static plugbay_status encode(void *instance, plugbay_host host, uint32_t index,
                             plugbay_bytes document, plugbay_buf *out) {
  (void)host;
  (void)index;
  plugbay_output lines = {0};
  plugbay_cbor reader = plugbay_cbor_open(document, &lines.error);
  plugbay_item map, key, value;
  if (plugbay_cbor_next(&reader, &map) && map.kind != PLUGBAY_CBOR_MAP) {
    plugbay_set_error(&lines.error, PLUGBAY_UNSUPPORTED, "expected a map, found another document");
  }
  while (plugbay_cbor_more(&reader, &map) && plugbay_cbor_next(&reader, &key) &&
         plugbay_cbor_next(&reader, &value)) {
    write_pair(instance, &lines, &key, &value);
  }
  return plugbay_finish(&lines, out);
}

static plugbay_status decode(void *instance, plugbay_host host, uint32_t index, plugbay_bytes bytes,
                             plugbay_buf *out) {
  const properties *self = instance;
  (void)host;
  (void)index;
  plugbay_output document = {0};
  size_t map = plugbay_cbor_begin(&document);
  uint64_t pairs = 0;
  plugbay_bytes rest = bytes;
  for (int64_t number = 1; rest.len > 0; number++) {
    const uint8_t *end = find(rest, "\n");
    plugbay_bytes line = rest, key, value;
    line.len = end == NULL ? rest.len : (size_t)(end - rest.ptr);
    rest.len -= line.len + (end != NULL);
    rest.ptr += line.len + (end != NULL);
    if (number > self->max_lines) {
      plugbay_set_error(&document.error, PLUGBAY_INVALID_INPUT,
                        "expected at most %ld lines, found more", (long)self->max_lines);
      break;
    }
    if (line.len == 0 || is_comment(self, line)) {
      continue;
    }
    const uint8_t *separator = find(line, self->separator);
    if (separator == NULL || separator == line.ptr) {
      plugbay_set_error(&document.error, PLUGBAY_INVALID_INPUT,
                        "line %ld: expected a key before \"%s\", found none", (long)number,
                        self->separator);
      break;
    }
    key.ptr = line.ptr;
    key.len = (size_t)(separator - line.ptr);
    value.ptr = separator + strlen(self->separator);
    value.len = line.len - key.len - strlen(self->separator);
    plugbay_cbor_put_text(&document, key);
    plugbay_cbor_put_text(&document, value);
    pairs++;
  }
  plugbay_cbor_end(&document, map, PLUGBAY_CBOR_MAP, pairs);
  return plugbay_cbor_finish(&document, out); /* refuses equal keys, and texts that are not UTF-8 */
}

static plugbay_status health(void *instance, plugbay_host host, plugbay_buf *out) {
  (void)instance;
  (void)host;
  *out = plugbay_literal("");
  return PLUGBAY_OK;
}

static void shutdown(void *instance, plugbay_host host) {
  (void)instance;
  (void)host;
}

static void destroy(void *instance, plugbay_host host) {
  (void)host;
  free(instance);
}

static const plugbay_codec_table codec = {sizeof(plugbay_codec_table), 1, encode, decode};

static const plugbay_kind kinds[] = {PLUGBAY_KIND("codec", codec)};

static const plugbay_vtable vtable = {
    sizeof(plugbay_vtable), PLUGBAY_VERSION, describe, create, health, shutdown, destroy,
    {kinds, 1},
};

PLUGBAY_PLUGIN(vtable);
