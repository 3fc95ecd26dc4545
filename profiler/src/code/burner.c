/* Burns time in known functions and samples itself: a timer's signal handler writes down the
 * interrupted registers (in the order of perf's bits), the stack above them and which function
 * the program knows itself to be in. Usage: burner MODE SAMPLES STACK_BYTES DEPTH.
 * Writes one line "pid", then the samples, then waits for its input to close. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))
enum { NOWHERE, ALPHA, BETA, GAMMA, RECURSE, COMPARE };

static __thread volatile int inside = NOWHERE;
static __thread volatile int depth = 0;
static __thread char *stack_end;
static volatile int taken = 0;
static int wanted, stack_bytes;
static char *out;
static size_t out_size;
static volatile uint64_t sink;

static void put(const void *bytes, size_t size) {
  memcpy(out + out_size, bytes, size);
  out_size += size;
}

static void on_timer(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  if (taken >= wanted) return;
  taken++;
  mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext;
  uint64_t registers[33];
#ifdef __x86_64__
  static const int order[20] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP,
    REG_RSP, REG_RIP, REG_EFL, REG_CSGSFS, REG_CSGSFS, REG_R8, REG_R9, REG_R10, REG_R11,
    REG_R12, REG_R13, REG_R14, REG_R15};
  uint64_t count = 20;
  for (int i = 0; i < 20; i++) registers[i] = machine->gregs[order[i]];
  char *sp = (char *)registers[7];
#else
  uint64_t count = 33;
  for (int i = 0; i < 31; i++) registers[i] = machine->regs[i];
  registers[31] = machine->sp;
  registers[32] = machine->pc;
  char *sp = (char *)registers[31];
#endif
  uint64_t size = stack_end - sp;
  if (size > (uint64_t)stack_bytes) size = stack_bytes;
  uint64_t head[4] = {inside, depth, count, size};
  put(head, sizeof head);
  put(registers, count * 8);
  put(sp, size);
}

static void find_stack(void) {
  pthread_attr_t attributes;
  void *start;
  size_t size;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &start, &size);
  stack_end = (char *)start + size;
}

static void start_timer(void) {
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
  event._sigev_un._tid = syscall(SYS_gettid);
  timer_t timer;
  timer_create(CLOCK_MONOTONIC, &event, &timer);
  struct itimerspec every = {{0, 613000}, {0, 613000}};
  timer_settime(timer, 0, &every, 0);
}

#define BURN(function, name, rounds)                                  \
  NOINLINE int function(int n) {                                      \
    uint64_t x = n | 1;                                               \
    inside = name;                                                    \
    for (int i = 0; i < rounds; i++) x = x * 6364136223846793005u + 1; \
    inside = NOWHERE;                                                 \
    sink += x;                                                        \
    return (int)(x >> 33);                                            \
  }
BURN(alpha, ALPHA, 120000)
BURN(beta, BETA, 60000)
BURN(gamma_, GAMMA, 20000)

NOINLINE int compare(const void *a, const void *b) {
  int result = *(const int *)a - *(const int *)b;
  inside = COMPARE;
  for (int i = 0; i < 2000; i++) sink += i;
  inside = NOWHERE;
  return result;
}

NOINLINE int serve(int n) {
  int numbers[16], sum = 0;
  for (int i = 0; i < 16; i++) numbers[i] = (n * 7919 + i * 104729) & 1023;
  sum += alpha(n) + beta(n) + gamma_(n);
  qsort(numbers, 16, sizeof *numbers, compare);
  return sum + numbers[0];
}

NOINLINE int recurse(int n) {
  volatile int keep = n;
  depth++;
  inside = RECURSE;
  for (int i = 0; i < 300; i++) sink += i;
  if (n > 1) sink += recurse(n - 1);
  inside = depth > 1 ? RECURSE : NOWHERE;
  depth--;
  return keep;
}

static void *run(void *argument) {
  const char *mode = argument;
  find_stack();
  start_timer();
  int levels = *(int *)(mode + 16);
  for (int n = 0; taken < wanted; n++) {
    if (mode[0] == 'd') sink += recurse(levels);
    else sink += serve(n);
  }
  return 0;
}

int main(int count, char **arguments) {
  if (count != 5) return 2;
  static char mode[32];
  strncpy(mode, arguments[1], 15);
  wanted = atoi(arguments[2]);
  stack_bytes = atoi(arguments[3]);
  *(int *)(mode + 16) = atoi(arguments[4]);
  out = malloc((size_t)wanted * (stack_bytes + 400) + 64);
  struct sigaction action = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(SIGUSR1, &action, 0);
  if (!strcmp(mode, "thread")) {
    pthread_t thread;
    pthread_create(&thread, 0, run, mode);
    pthread_join(thread, 0);
  } else {
    run(mode);
  }
  fwrite(out, 1, out_size, stdout);
  fflush(stdout);
  fclose(stdout);
  while (getchar() != EOF) {
  }
  return 0;
}
