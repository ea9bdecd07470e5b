// The side of libuv. The interface is that of the other sides (common/src/lib.rs).
//
//   cc -O2 -o side side.c -luv -lpthread

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#define CHECK(condition)                                                  \
  do {                                                                    \
    if (!(condition)) {                                                   \
      fprintf(stderr, "side.c:%d: not true: %s\n", __LINE__, #condition); \
      exit(1);                                                            \
    }                                                                     \
  } while (0)

typedef unsigned long long count_t;

static uv_loop_t *loop;
static count_t total, done, sum;

static double now(void) { return (double)uv_hrtime(); }

static double processor_time(void) {
  struct rusage usage;
  CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
}

static count_t sum_below(count_t count) { return count * (count - 1) / 2; }
static uint64_t delay(count_t index) { return 60000 + index * 7919 % 1000 * 60; }

// Timers.

static void on_timer(uv_timer_t *timer) {
  (void)timer;
  done++;
}

static double timeout_clear(count_t count) {
  uv_timer_t *timers = calloc(count, sizeof *timers);
  double start = now();
  for (count_t index = 0; index < count; index++) {
    CHECK(uv_timer_init(loop, &timers[index]) == 0);
    CHECK(uv_timer_start(&timers[index], on_timer, delay(index), 0) == 0);
    uv_close((uv_handle_t *)&timers[index], NULL);
  }
  double time = now() - start;
  uv_run(loop, UV_RUN_DEFAULT);
  CHECK(done == 0);
  free(timers);
  return time;
}

// A handle that is initialized once, as a program in C does it.
static double sleep_drop_pending(count_t count, count_t pending) {
  uv_timer_t *timers = calloc(pending + 1, sizeof *timers);
  for (count_t index = 0; index < pending; index++) {
    uv_timer_init(loop, &timers[index]);
    uv_timer_start(&timers[index], on_timer, delay(index), 0);
  }
  uv_timer_t *timer = &timers[pending];
  uv_timer_init(loop, timer);
  double start = now();
  for (count_t index = 0; index < count; index++) {
    CHECK(uv_timer_start(timer, on_timer, delay(index), 0) == 0);
    CHECK(uv_is_active((uv_handle_t *)timer));
    CHECK(uv_timer_stop(timer) == 0);
  }
  double time = now() - start;
  for (count_t index = 0; index <= pending; index++) uv_close((uv_handle_t *)&timers[index], NULL);
  uv_run(loop, UV_RUN_DEFAULT);
  CHECK(done == 0);
  free(timers);
  return time;
}

static double sleep_drop(count_t count) { return sleep_drop_pending(count, 0); }
static double sleep_drop_200k(count_t count) { return sleep_drop_pending(count, 200000); }

static double timeouts_fire(count_t count) {
  double before = processor_time();
  uv_timer_t *timers = calloc(count, sizeof *timers);
  uv_update_time(loop);
  for (count_t index = 0; index < count; index++) {
    uv_timer_init(loop, &timers[index]);
    uv_timer_start(&timers[index], on_timer, 1 + index * 7919 % 1000, 0);
  }
  uv_run(loop, UV_RUN_DEFAULT);
  CHECK(done == count);
  double time = processor_time() - before;
  for (count_t index = 0; index < count; index++) uv_close((uv_handle_t *)&timers[index], NULL);
  uv_run(loop, UV_RUN_DEFAULT);
  free(timers);
  return time;
}

// A turn: an active idle handle makes the poll phase return at once, as an immediate does in Node.

static uv_idle_t idle;

static void on_check(uv_check_t *check) {
  if (++done < total) return;
  uv_check_stop(check);
  uv_idle_stop(&idle);
}

static void on_idle(uv_idle_t *unused) { (void)unused; }

static double immediate_chain(count_t count) {
  uv_check_t check;
  total = count;
  uv_check_init(loop, &check);
  uv_idle_init(loop, &idle);
  uv_check_start(&check, on_check);
  uv_idle_start(&idle, on_idle);
  double start = now();
  uv_run(loop, UV_RUN_DEFAULT);
  double time = now() - start;
  CHECK(done == count);
  uv_close((uv_handle_t *)&check, NULL);
  uv_close((uv_handle_t *)&idle, NULL);
  uv_run(loop, UV_RUN_DEFAULT);
  return time;
}

// Jobs.

typedef struct {
  uv_work_t request;
  count_t number, result;
} job_t;

static void work(uv_work_t *request) {
  job_t *job = request->data;
  job->result = job->number;
}

static void submit(job_t *job, count_t number, uv_after_work_cb after) {
  job->request.data = job;
  job->number = number;
  CHECK(uv_queue_work(loop, &job->request, work, after) == 0);
}

static void after_one_of_all(uv_work_t *request, int status) {
  CHECK(status == 0);
  done++;
  sum += ((job_t *)request->data)->result;
}

static double jobs_at_once(count_t count) {
  job_t *jobs = calloc(count, sizeof *jobs);
  double start = now();
  for (count_t number = 0; number < count; number++) submit(&jobs[number], number, after_one_of_all);
  uv_run(loop, UV_RUN_DEFAULT);
  double time = now() - start;
  CHECK(done == count && sum == sum_below(count));
  free(jobs);
  return time;
}

static void after_one_of_a_row(uv_work_t *request, int status) {
  after_one_of_all(request, status);
  if (done < total) submit(request->data, done, after_one_of_a_row);
}

static double jobs_in_turn(count_t count) {
  job_t job = {0};
  total = count;
  double start = now();
  submit(&job, 0, after_one_of_a_row);
  uv_run(loop, UV_RUN_DEFAULT);
  CHECK(done == count && sum == sum_below(count));
  return now() - start;
}

// Wakes from other threads. `uv_async_send` may merge wakes, so the messages are in a queue.

#define THREADS 4

static uv_async_t async_handle;
static uv_mutex_t mutex;
static uv_sem_t answer;
static count_t queued_count, queued_sum;
static int answers;

static void send_message(count_t number) {
  uv_mutex_lock(&mutex);
  queued_count++;
  queued_sum += number;
  uv_mutex_unlock(&mutex);
  CHECK(uv_async_send(&async_handle) == 0);
}

static void on_async(uv_async_t *handle) {
  uv_mutex_lock(&mutex);
  done += queued_count;
  sum += queued_sum;
  count_t received = queued_count;
  queued_count = queued_sum = 0;
  uv_mutex_unlock(&mutex);
  if (answers && received > 0) uv_sem_post(&answer);
  if (done == total) uv_close((uv_handle_t *)handle, NULL);
}

static void ask(void *unused) {
  (void)unused;
  for (count_t number = 0; number < total; number++) {
    send_message(number);
    uv_sem_wait(&answer);
  }
}

static void flood(void *argument) {
  count_t index = (count_t)(size_t)argument;
  for (count_t number = index * total / THREADS; number < (index + 1) * total / THREADS; number++)
    send_message(number);
}

static double wake(count_t count, int threads, uv_thread_cb entry) {
  uv_thread_t ids[THREADS];
  total = count;
  uv_mutex_init(&mutex);
  uv_sem_init(&answer, 0);
  uv_async_init(loop, &async_handle, on_async);
  double start = now();
  for (size_t index = 0; index < (size_t)threads; index++)
    CHECK(uv_thread_create(&ids[index], entry, (void *)index) == 0);
  uv_run(loop, UV_RUN_DEFAULT);
  for (int index = 0; index < threads; index++) uv_thread_join(&ids[index]);
  double time = now() - start;
  CHECK(done == count && sum == sum_below(count));
  uv_sem_destroy(&answer);
  uv_mutex_destroy(&mutex);
  return time;
}

static double wake_latency(count_t count) {
  answers = 1;
  return wake(count, 1, ask);
}

static double wake_flood(count_t count) {
  answers = 0;
  return wake(count, THREADS, flood);
}

// The rest.

static double start_up(count_t count) {
  double start = now();
  for (count_t index = 0; index < count; index++) {
    uv_loop_t empty;
    CHECK(uv_loop_init(&empty) == 0);
    CHECK(uv_run(&empty, UV_RUN_DEFAULT) == 0);
    CHECK(uv_loop_close(&empty) == 0);
  }
  return now() - start;
}

static double memory_timer(count_t count) {
  size_t before, after;
  uv_resident_set_memory(&before);
  uv_timer_t *timers = calloc(count, sizeof *timers);
  for (count_t index = 0; index < count; index++) {
    uv_timer_init(loop, &timers[index]);
    uv_timer_start(&timers[index], on_timer, delay(index), 0);
  }
  uv_resident_set_memory(&after);
  CHECK(after > before);
  return (double)(after - before);
}

// The echo server: one buffer for each connection, one read and one write for a message.

typedef struct {
  uv_tcp_t tcp;
  uv_write_t write;
  char buffer[4096];
} connection_t;

static void on_closed(uv_handle_t *handle) { free(handle); }
static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)suggested;
  connection_t *connection = (connection_t *)handle;
  *buffer = uv_buf_init(connection->buffer, sizeof connection->buffer);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer);

static void on_written(uv_write_t *write, int status) {
  if (status == 0) uv_read_start(write->handle, on_allocate, on_read);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer) {
  connection_t *connection = (connection_t *)stream;
  if (length < 0) {
    uv_close((uv_handle_t *)stream, on_closed);
    return;
  }
  if (length == 0) return;
  uv_buf_t message = uv_buf_init(buffer->base, (unsigned)length);
  int written = uv_try_write(stream, &message, 1);
  if (written == length) return;
  if (written < 0) written = 0;
  message.base += written;
  message.len -= (size_t)written;
  uv_read_stop(stream);
  CHECK(uv_write(&connection->write, stream, &message, 1, on_written) == 0);
}

static void on_connection(uv_stream_t *listener, int status) {
  CHECK(status == 0);
  connection_t *connection = malloc(sizeof *connection);
  CHECK(uv_tcp_init(loop, &connection->tcp) == 0);
  CHECK(uv_accept(listener, (uv_stream_t *)&connection->tcp) == 0);
  CHECK(uv_tcp_nodelay(&connection->tcp, 1) == 0);
  CHECK(uv_read_start((uv_stream_t *)&connection->tcp, on_allocate, on_read) == 0);
}

static int serve(void) {
  uv_tcp_t listener;
  struct sockaddr_in address;
  int length = sizeof address;
  CHECK(uv_ip4_addr("127.0.0.1", 0, &address) == 0);
  CHECK(uv_tcp_init(loop, &listener) == 0);
  CHECK(uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) == 0);
  CHECK(uv_listen((uv_stream_t *)&listener, 1024, on_connection) == 0);
  CHECK(uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &length) == 0);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return uv_run(loop, UV_RUN_DEFAULT);
}

static const struct {
  const char *name;
  double (*run)(count_t);
} workloads[] = {
    {"sleep-drop", sleep_drop},       {"sleep-drop-200k", sleep_drop_200k},
    {"timeout-clear", timeout_clear}, {"timeouts-fire", timeouts_fire},
    {"immediate-chain", immediate_chain}, {"jobs-at-once", jobs_at_once},
    {"work-at-once", jobs_at_once},   {"jobs-in-turn", jobs_in_turn},
    {"wake-latency", wake_latency},   {"wake-flood", wake_flood},
    {"start-up", start_up},           {"memory-timer", memory_timer},
};

int main(int count, char **arguments) {
  size_t names = sizeof workloads / sizeof *workloads;
  loop = uv_default_loop();
  if (count == 2 && strcmp(arguments[1], "version") == 0) return puts(uv_version_string()) < 0;
  if (count == 2 && strcmp(arguments[1], "serve") == 0) return serve();
  if (count == 2 && strcmp(arguments[1], "list") == 0) {
    for (size_t index = 0; index < names; index++) puts(workloads[index].name);
    return puts("serve") < 0;
  }
  CHECK(count == 5 && strcmp(arguments[1], "run") == 0);
  for (size_t index = 0; index < names; index++) {
    if (strcmp(workloads[index].name, arguments[2]) != 0) continue;
    count_t size = strtoull(arguments[3], NULL, 10);
    for (int times = atoi(arguments[4]); times > 0; times--) {
      total = done = sum = 0;
      printf("%.3f\n", workloads[index].run(size) / (double)size);
    }
    return 0;
  }
  fprintf(stderr, "there is no workload `%s`\n", arguments[2]);
  return 1;
}
