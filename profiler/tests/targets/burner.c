/* A program whose CPU time goes to three functions in known shares: 60, 30 and 10 %.
 *
 * burner MODE [ARGUMENT] [--seconds S] [--addresses]
 *   shares           one thread
 *   recursion DEPTH  the same below DEPTH frames of `descend`
 *   threads N        the same in N threads
 *   storm            children that burn 3 ms and end (every second one through exec), and two
 *                    workers that die after 200 ms and are replaced
 *   sleepy           rounds of 10 ms burning, 20 ms in a condition wait, 5 ms in read of a pipe
 *
 * Writes "ready" once it burns. With --addresses one line "function NAME HEX" comes before it for
 * each function, its address relative to the file. At the end (SIGTERM or S seconds) it writes
 * "cpu_ns N", the CPU time of itself and of all children it waited for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* noipa: neither inlined nor cloned nor folded into its twin. aligned: equal code runs equally
 * fast only where it lies equally. */
#define APART __attribute__((noipa, aligned(64)))
/* Steps per percent and slice: a slice of all three takes some 20 µs. */
#define STEPS 100

extern const char __ehdr_start;
static volatile sig_atomic_t is_over;
static double seconds;
static struct timespec began;

static double elapsed(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - began.tv_sec) + (double)(now.tv_nsec - began.tv_nsec) / 1e9;
}

/* Every step waits for the one before it, so its speed is that of the adder alone. */
static inline __attribute__((always_inline)) uint64_t steps(uint64_t x, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

APART uint64_t sixty_percent(uint64_t x, unsigned unit) { return steps(x, 60 * unit); }
APART uint64_t thirty_percent(uint64_t x, unsigned unit) { return steps(x, 30 * unit); }
APART uint64_t ten_percent(uint64_t x, unsigned unit) { return steps(x, 10 * unit); }

static uint64_t slice(uint64_t x)
{
    x = sixty_percent(x, STEPS);
    x = thirty_percent(x, STEPS);
    return ten_percent(x, STEPS);
}

static int is_time_over(void) { return is_over || (seconds > 0 && elapsed() >= seconds); }

APART uint64_t burn_slices(uint64_t x, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        x = slice(x);
    return x;
}

APART uint64_t burn_cpu_time(uint64_t x, double wanted)
{
    struct timespec from, now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    do {
        x = burn_slices(x, 5);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    } while ((double)(now.tv_sec - from.tv_sec) + (double)(now.tv_nsec - from.tv_nsec) / 1e9
             < wanted);
    return x;
}

APART void *burn_until_over(void *seed)
{
    uint64_t x = (uint64_t)(uintptr_t)seed * 2 + 88172645463325252ull;
    while (!is_time_over())
        x = burn_slices(x, 50);
    return (void *)(uintptr_t)x;
}

APART uint64_t descend(uint64_t x, unsigned depth)
{
    volatile uint64_t kept[8];
    kept[depth % 8] = x;
    x = depth == 0 ? burn_slices(x, 2000) : descend(x + 1, depth - 1);
    return x ^ kept[depth % 8];
}

static void burn_in_threads(unsigned count)
{
    pthread_t *threads = calloc(count, sizeof *threads);
    for (unsigned i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, burn_until_over, (void *)(uintptr_t)(i + 1))) {
            perror("pthread_create");
            exit(1);
        }
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    free(threads);
}

static pid_t start_child(double cpu_time, int by_exec)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    if (by_exec)
        execl("/proc/self/exe", "burner", "child", (char *)NULL);
    _exit(burn_cpu_time(1, cpu_time) == 0);
}

static void storm(void)
{
    pid_t workers[2] = {0, 0}, child = 0;
    for (unsigned turn = 0; !is_time_over(); turn++) {
        for (int i = 0; i < 2; i++)
            if (workers[i] <= 0)
                workers[i] = start_child(0.2, 0);
        child = start_child(0.003, turn % 2);
        pid_t ended;
        do {
            ended = waitpid(-1, NULL, 0);
            for (int i = 0; i < 2; i++)
                if (ended == workers[i])
                    workers[i] = 0;
        } while (ended != child && ended > 0);
    }
    while (wait(NULL) > 0 || errno == EINTR)
        ;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static int to_writer[2], from_writer[2];

APART void wait_for_condition(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&lock);
    while (pthread_cond_timedwait(&never, &lock, &until) == 0)
        ;
    pthread_mutex_unlock(&lock);
}

APART ssize_t read_from_pipe(void)
{
    char byte = 0;
    if (write(to_writer[1], &byte, 1) != 1)
        return -1;
    ssize_t count = read(from_writer[0], &byte, 1);
    return count + byte;
}

static void *write_late(void *unused)
{
    char byte;
    while (read(to_writer[0], &byte, 1) == 1) {
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        if (write(from_writer[1], &byte, 1) != 1)
            break;
    }
    return unused;
}

static void sleepy(void)
{
    pthread_t writer;
    if (pipe(to_writer) || pipe(from_writer)
        || pthread_create(&writer, NULL, write_late, NULL)) {
        perror("sleepy");
        exit(1);
    }
    for (uint64_t x = 1; !is_time_over();) {
        x = burn_cpu_time(x, 0.01);
        wait_for_condition();
        if (read_from_pipe() < 0 && !is_over)
            exit(1);
    }
    close(to_writer[1]);
    pthread_join(writer, NULL);
}

static uint64_t cpu_ns(int who)
{
    struct rusage usage;
    getrusage(who, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000
           + (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

static void end(int signal) { is_over = signal; }

static void print_addresses(void)
{
    struct { const char *name; void *start; } functions[] = {
        {"sixty_percent", (void *)sixty_percent},
        {"thirty_percent", (void *)thirty_percent},
        {"ten_percent", (void *)ten_percent},
        {"burn_slices", (void *)burn_slices},
        {"descend", (void *)descend},
    };
    for (unsigned i = 0; i < sizeof functions / sizeof *functions; i++)
        printf("function %s %lx\n", functions[i].name,
               (unsigned long)((char *)functions[i].start - &__ehdr_start));
}

static int run(const char *mode, unsigned argument)
{
    if (!strcmp(mode, "shares")) {
        burn_until_over(NULL);
    } else if (!strcmp(mode, "recursion")) {
        for (uint64_t x = 1; !is_time_over();)
            x = descend(x, argument);
    } else if (!strcmp(mode, "threads")) {
        burn_in_threads(argument);
    } else if (!strcmp(mode, "storm")) {
        storm();
    } else if (!strcmp(mode, "sleepy")) {
        sleepy();
    } else {
        return 2;
    }
    return 0;
}

int main(int count, char **words)
{
    const char *mode = count > 1 ? words[1] : "";
    unsigned argument = 1;
    if (!strcmp(mode, "child"))
        return burn_cpu_time(1, 0.003) == 0;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (int i = 2; i < count; i++) {
        if (!strcmp(words[i], "--seconds") && i + 1 < count)
            seconds = atof(words[++i]);
        else if (!strcmp(words[i], "--addresses"))
            print_addresses();
        else
            argument = (unsigned)atoi(words[i]);
    }
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = end}, NULL);
    puts("ready");
    fflush(stdout);
    int code = run(mode, argument);
    printf("cpu_ns %lu\n", cpu_ns(RUSAGE_SELF) + cpu_ns(RUSAGE_CHILDREN));
    if (code)
        fprintf(stderr, "burner shares|recursion DEPTH|threads N|storm|sleepy [--seconds S]\n");
    return code;
}
