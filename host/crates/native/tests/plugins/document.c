/*
 * A plugin for the tests of plugbay_json.h and plugbay_cbor.h: `check` accepts a document or says
 * why not, `json` turns documents into JSON and back, `config` returns its config as it was read.
 *
 * With EXECUTABLE it is a program, so that it can be built with sanitizers. It reads calls from its
 * standard input, each of a letter, a length of 4 bytes with the lowest first, and as many bytes,
 * and writes their answers alike, with the status for the letter.
 */

#include "plugbay.h"
#include "plugbay_cbor.h"
#include "plugbay_json.h"
#include "plugbay_json_write.h"

typedef struct {
  char text[8];
  int64_t integer;
  double real;
  bool truth;
  int64_t sum;
} settings;

static plugbay_status read_config(plugbay_bytes config, settings *read, plugbay_buf *out) {
  plugbay_error error = {PLUGBAY_OK, ""};
  plugbay_bytes list, element;
  plugbay_json_get_text(config, "text", read->text, sizeof(read->text), &error);
  plugbay_json_get_int(config, "integer", &read->integer, &error);
  plugbay_json_get_double(config, "real", &read->real, &error);
  plugbay_json_get_bool(config, "truth", &read->truth, &error);
  if (plugbay_json_get(config, "list", &list, &error) && list.ptr != NULL) {
    plugbay_json elements = plugbay_json_open(list, '[', &error);
    while (plugbay_json_next(&elements, NULL, &element)) {
      int64_t number;
      if (!plugbay_json_as_int(element, &number)) {
        plugbay_json_wrong(element, "list", "integers", &error);
        break;
      }
      read->sum += number;
    }
  }
  if (error.status != PLUGBAY_OK) {
    return plugbay_fail(&error, out);
  }
  *out = plugbay_literal("");
  return PLUGBAY_OK;
}

static plugbay_status show_config(const settings *self, plugbay_buf *out) {
  plugbay_output json = {0};
  plugbay_json_put(&json, "[");
  plugbay_json_put_text(&json, plugbay_text(self->text));
  plugbay_json_put_int(&json, self->integer);
  plugbay_json_put_double(&json, self->real);
  plugbay_json_put(&json, self->truth ? "true" : "false");
  plugbay_json_put_int(&json, self->sum);
  plugbay_json_put(&json, "]");
  return plugbay_finish(&json, out);
}

static plugbay_status check(plugbay_bytes document, plugbay_buf *out) {
  plugbay_error error = {PLUGBAY_OK, ""};
  if (!plugbay_cbor_check(document, &error)) {
    return plugbay_fail(&error, out);
  }
  *out = plugbay_literal("good");
  return PLUGBAY_OK;
}

static void to_json(plugbay_cbor *reader, plugbay_output *json) {
  plugbay_item item, key;
  if (!plugbay_cbor_next(reader, &item)) {
    return;
  }
  switch (item.kind) {
  case PLUGBAY_CBOR_UNSIGNED:
    plugbay_json_put_uint(json, item.number);
    break;
  case PLUGBAY_CBOR_TEXT:
    plugbay_json_put_text(json, item.bytes);
    break;
  case PLUGBAY_CBOR_ARRAY:
    plugbay_json_put(json, "[");
    while (plugbay_cbor_more(reader, &item)) {
      to_json(reader, json);
    }
    plugbay_json_put(json, "]");
    break;
  case PLUGBAY_CBOR_MAP:
    plugbay_json_put(json, "{");
    while (plugbay_cbor_more(reader, &item) && plugbay_cbor_next(reader, &key)) {
      if (key.kind != PLUGBAY_CBOR_TEXT) {
        plugbay_set_error(&json->error, PLUGBAY_UNSUPPORTED, "expected keys that are texts");
        return;
      }
      plugbay_json_put_key(json, key.bytes);
      to_json(reader, json);
    }
    plugbay_json_put(json, "}");
    break;
  case PLUGBAY_CBOR_BOOL:
    plugbay_json_put(json, item.number == 1 ? "true" : "false");
    break;
  case PLUGBAY_CBOR_NULL:
    plugbay_json_put(json, "null");
    break;
  case PLUGBAY_CBOR_FLOAT:
    plugbay_json_put_double(json, item.real);
    break;
  default: {
    int64_t number;
    if (!plugbay_cbor_as_int(&item, &number)) {
      plugbay_set_error(&json->error, PLUGBAY_UNSUPPORTED,
                        "expected what JSON has, found another item");
      return;
    }
    plugbay_json_put_int(json, number);
  }
  }
}

static plugbay_status encode_json(plugbay_bytes document, plugbay_buf *out) {
  plugbay_output json = {0};
  /* The bytes may be of anybody, and `to_json` recurses. */
  if (plugbay_cbor_check(document, &json.error)) {
    plugbay_cbor reader = plugbay_cbor_open(document, &json.error);
    to_json(&reader, &json);
  }
  return plugbay_finish(&json, out);
}

static void from_text(plugbay_bytes value, plugbay_output *document) {
  plugbay_output text = {0};
  plugbay_bytes meaning;
  plugbay_json_unescape(value, &text);
  meaning.ptr = text.ptr;
  meaning.len = text.len;
  plugbay_cbor_put_text(document, meaning);
  plugbay_drop(&text);
}

static void from_json(plugbay_bytes value, plugbay_output *document) {
  bool truth;
  int64_t number;
  double real;
  plugbay_bytes key, element;
  uint64_t count = 0;
  char first = value.len > 0 ? (char)value.ptr[0] : '\0';
  if (first == '"') {
    from_text(value, document);
  } else if (first == '[' || first == '{') {
    plugbay_json json = plugbay_json_open(value, first, &document->error);
    size_t mark = plugbay_cbor_begin(document);
    for (; plugbay_json_next(&json, &key, &element); count++) {
      if (first == '{') {
        from_text(key, document);
      }
      from_json(element, document);
    }
    plugbay_cbor_end(document, mark, first == '{' ? PLUGBAY_CBOR_MAP : PLUGBAY_CBOR_ARRAY, count);
  } else if (plugbay_json_as_bool(value, &truth)) {
    plugbay_cbor_put_bool(document, truth);
  } else if (plugbay_json_as_int(value, &number)) {
    plugbay_cbor_put_int(document, number);
  } else if (plugbay_json_as_double(value, &real)) {
    plugbay_cbor_put_double(document, real);
  } else if (first == 'n') {
    plugbay_cbor_put_null(document);
  } else {
    plugbay_set_error(&document->error, PLUGBAY_UNSUPPORTED, "expected a smaller number");
  }
}

/* Of JSON texts only arrays and objects. */
static plugbay_status decode_json(plugbay_bytes json, plugbay_buf *out) {
  plugbay_output document = {0};
  if (json.len == 0 || (json.ptr[0] != '[' && json.ptr[0] != '{')) {
    plugbay_set_error(&document.error, PLUGBAY_UNSUPPORTED, "expected an array or an object");
  } else {
    from_json(json, &document);
  }
  return plugbay_cbor_finish(&document, out);
}

#if defined(EXECUTABLE)

static plugbay_status answer(int letter, plugbay_bytes bytes, plugbay_buf *out) {
  settings read = {"", 0, 0, false, 0};
  switch (letter) {
  case 'c':
    return check(bytes, out);
  case 'e':
    return encode_json(bytes, out);
  case 'd':
    return decode_json(bytes, out);
  default: {
    plugbay_status status = read_config(bytes, &read, out);
    return status == PLUGBAY_OK ? show_config(&read, out) : status;
  }
  }
}

int main(void) {
  int letter;
  while ((letter = getchar()) != EOF) {
    size_t len = 0;
    for (int i = 0; i < 4; i++) {
      len |= (size_t)getchar() << 8 * i;
    }
    /* As many bytes as there are, so that a sanitizer finds a read beyond them. */
    uint8_t *bytes = malloc(len);
    plugbay_bytes borrowed;
    borrowed.ptr = bytes;
    borrowed.len = len;
    if ((bytes == NULL && len > 0) || (len > 0 && fread(bytes, 1, len, stdin) != len)) {
      return 1;
    }
    plugbay_buf out;
    putchar((int)answer(letter, borrowed, &out));
    for (int i = 0; i < 4; i++) {
      putchar((int)(out.len >> 8 * i & 0xff));
    }
    if (out.len > 0) {
      fwrite(out.ptr, 1, out.len, stdout);
    }
    if (out.free != NULL) {
      out.free(out.ptr, out.len, out.cap);
    }
    free(bytes);
  }
  return 0;
}

#else

static plugbay_status describe(plugbay_host host, plugbay_buf *out) {
  (void)host;
  *out = plugbay_literal("{\"name\": \"document\", \"version\": \"1.0.0\", \"capabilities\": ["
                         "{\"kind\": \"codec\", \"name\": \"check\"},"
                         "{\"kind\": \"codec\", \"name\": \"json\"},"
                         "{\"kind\": \"codec\", \"name\": \"config\"}]}");
  return PLUGBAY_OK;
}

static plugbay_status create(plugbay_host host, plugbay_bytes config, void **instance,
                             plugbay_buf *out) {
  (void)host;
  settings read = {"default", -1, 0.5, true, 0};
  plugbay_status status = read_config(config, &read, out);
  settings *self = status == PLUGBAY_OK ? malloc(sizeof(*self)) : NULL;
  if (self != NULL) {
    *self = read;
    *instance = self;
  }
  return self == NULL && status == PLUGBAY_OK ? PLUGBAY_INTERNAL : status;
}

static plugbay_status encode(void *instance, plugbay_host host, uint32_t index,
                             plugbay_bytes document, plugbay_buf *out) {
  (void)host;
  return index == 0   ? check(document, out)
         : index == 1 ? encode_json(document, out)
                      : show_config(instance, out);
}

static plugbay_status decode(void *instance, plugbay_host host, uint32_t index, plugbay_bytes bytes,
                             plugbay_buf *out) {
  (void)instance;
  (void)host;
  (void)index;
  return decode_json(bytes, out);
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

#endif
