/*
 * A plugin for the tests with everything that makes unloading unsound: a thread of its own, a
 * thread-local variable, and a destructor that runs when a thread of the host ends.
 */

#define _POSIX_C_SOURCE 200809L

#include "plugbay.h"

#include <pthread.h>
#include <stdlib.h>

/* A CBOR text of 15 bytes. Tests change the digits in the file, which makes another library. */
static const char marker[] = "\x6f" "marker:00000000";

static __thread unsigned long calls_of_this_thread;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static unsigned char destroyed;

/* Runs when a thread ends that called this library. */
static void thread_ended(void *value) {
  free(value);
  __atomic_fetch_add(&destroyed, 1, __ATOMIC_SEQ_CST);
}

static void make_key(void) {
  if (pthread_key_create(&key, thread_ended) != 0) {
    abort();
  }
}

typedef struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  pthread_t thread;
  unsigned long asked;
  unsigned long done;
  bool stop;
} worker;

static void *work(void *argument) {
  worker *self = argument;
  pthread_mutex_lock(&self->lock);
  while (!self->stop) {
    self->done = self->asked;
    pthread_cond_broadcast(&self->changed);
    pthread_cond_wait(&self->changed, &self->lock);
  }
  pthread_mutex_unlock(&self->lock);
  return NULL;
}

static plugbay_status describe(plugbay_host host, plugbay_buf *out) {
  (void)host;
  *out = plugbay_literal("{\"name\": \"storm\", \"version\": \"1.0.0\","
                         " \"capabilities\": [{\"kind\": \"codec\", \"name\": \"storm\"}]}");
  return PLUGBAY_OK;
}

static plugbay_status create(plugbay_host host, plugbay_bytes config, void **instance,
                             plugbay_buf *out) {
  (void)host;
  (void)config;
  pthread_once(&once, make_key);
  worker *self = calloc(1, sizeof(worker));
  if (self == NULL || pthread_mutex_init(&self->lock, NULL) != 0 ||
      pthread_cond_init(&self->changed, NULL) != 0 ||
      pthread_create(&self->thread, NULL, work, self) != 0) {
    free(self);
    *out = plugbay_literal("expected a thread, found none left");
    return PLUGBAY_UNAVAILABLE;
  }
  *instance = self;
  *out = plugbay_literal("");
  return PLUGBAY_OK;
}

static plugbay_status health(void *instance, plugbay_host host, plugbay_buf *out) {
  (void)instance;
  (void)host;
  *out = plugbay_literal("");
  return PLUGBAY_OK;
}

/* Lets the plugin's own thread run once, then says which build this is. */
static plugbay_status encode(void *instance, plugbay_host host, uint32_t index,
                             plugbay_bytes document, plugbay_buf *out) {
  (void)host;
  (void)index;
  (void)document;
  calls_of_this_thread++;
  if (pthread_getspecific(key) == NULL) {
    pthread_setspecific(key, malloc(16));
  }
  worker *self = instance;
  pthread_mutex_lock(&self->lock);
  unsigned long ticket = ++self->asked;
  while (self->done < ticket) {
    pthread_cond_broadcast(&self->changed);
    pthread_cond_wait(&self->changed, &self->lock);
  }
  pthread_mutex_unlock(&self->lock);
  *out = plugbay_literal(calls_of_this_thread > 0 ? marker : "");
  return PLUGBAY_OK;
}

/* How many threads ended that had called: a CBOR number. */
static plugbay_status decode(void *instance, plugbay_host host, uint32_t index,
                             plugbay_bytes bytes, plugbay_buf *out) {
  (void)instance;
  (void)host;
  (void)index;
  (void)bytes;
  static const char numbers[] = "\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f";
  unsigned char count = __atomic_load_n(&destroyed, __ATOMIC_SEQ_CST);
  *out = plugbay_literal("");
  out->ptr = (uint8_t *)(uintptr_t)(numbers + (count < 16 ? count : 15));
  out->len = 1;
  return PLUGBAY_OK;
}

static void shutdown(void *instance, plugbay_host host) {
  (void)instance;
  (void)host;
}

static void destroy(void *instance, plugbay_host host) {
  (void)host;
  worker *self = instance;
  pthread_mutex_lock(&self->lock);
  self->stop = true;
  pthread_cond_broadcast(&self->changed);
  pthread_mutex_unlock(&self->lock);
  pthread_join(self->thread, NULL);
  pthread_cond_destroy(&self->changed);
  pthread_mutex_destroy(&self->lock);
  free(self);
}

static const plugbay_codec_table codec = {sizeof(plugbay_codec_table), 1, encode, decode};

static const plugbay_kind kinds[] = {PLUGBAY_KIND("codec", codec)};

static const plugbay_vtable vtable = {
    sizeof(plugbay_vtable), PLUGBAY_VERSION, describe, create, health, shutdown, destroy,
    {kinds, 1},
};

PLUGBAY_PLUGIN(vtable);
