/* A small HTTP/1.1 server whose use of memory per request is known.
 *
 * leaky PORT MODE [ARGUMENTS], on 127.0.0.1; writes "listening PORT" (0: any free port).
 *   leak BYTES [EVERY]     keeps a block for ever, every EVERYth request (1). BYTES counts glibc's
 *                          8 bytes of header, so memory grows by exactly BYTES: a multiple of 16,
 *                          32 at least
 *   sawtooth [PERIOD]      keeps 80 bytes per request, frees all after PERIOD requests (100000)
 *   cache MB [ENTRY]       a cache of MB, one ENTRY (1024 bytes) per request, the oldest replaced
 *   warmup [AFTER] [MB]    takes MB (32) at once at request number AFTER (5000)
 *   idle                   keeps nothing
 *   fds N                  loses a descriptor every N requests
 *   spike [EVERY] [MS]     once in EVERY ms (1000) computes for MS (150), while all others wait
 *
 * One thread, one epoll; pipelined requests are answered in order; bodies by Content-Length.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define APART __attribute__((noipa))
#define INPUT 16384
#define OUTPUT 65536

struct connection {
    int fd;
    int is_closing;
    size_t input_length, output_length, body_left;
    char input[INPUT + 1], output[OUTPUT];
};

struct block {
    struct block *next;
    char rest[];
};

static const char *mode;
static unsigned long first, second, requests;
static struct block *kept;
static char **cache;
static char *volatile warm; /* volatile: what nobody reads would never be written. */
static const char response[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                               "Content-Length: 13\r\n\r\nHello, World!";

APART void *remember_request(size_t chunk)
{
    struct block *block = malloc(chunk - sizeof(size_t));
    if (!block)
        abort();
    memset(block, 1, chunk - sizeof(size_t));
    block->next = kept;
    kept = block;
    return block;
}

APART void forget_requests(void)
{
    while (kept) {
        struct block *next = kept->next;
        free(kept);
        kept = next;
    }
    malloc_trim(0); /* Else glibc keeps blocks this small, and there would be no tooth. */
}

APART void fill_cache(void)
{
    unsigned long entries = (first << 20) / second, at = requests % entries;
    if (!cache)
        cache = calloc(entries, sizeof *cache);
    free(cache[at]);
    cache[at] = malloc(second - sizeof(size_t));
    memset(cache[at], 1, second - sizeof(size_t));
}

APART void warm_up(void)
{
    warm = malloc(second << 20);
    memset(warm, 1, second << 20);
}

static double now_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* CPU time, not time: where others take their turns the spike is the longer. */
APART void compute_in_spike(void)
{
    volatile unsigned long sum = 0;
    double end = now_ms(CLOCK_THREAD_CPUTIME_ID) + (double)second;
    while (now_ms(CLOCK_THREAD_CPUTIME_ID) < end)
        for (unsigned i = 0; i < 10000; i++)
            sum += i;
}

APART void spike_at_times(void)
{
    static double last;
    if (now_ms(CLOCK_MONOTONIC) < last + (double)first)
        return;
    if (last)
        compute_in_spike();
    last = now_ms(CLOCK_MONOTONIC);
}

APART void handle_request(void)
{
    requests++;
    if (mode[0] == 's' && mode[1] == 'p') {
        spike_at_times();
        return;
    }
    switch (mode[0]) {
    case 'l':
        if (requests % second == 0)
            remember_request(first);
        break;
    case 's':
        remember_request(80);
        if (requests % first == 0)
            forget_requests();
        break;
    case 'c':
        fill_cache();
        break;
    case 'w':
        if (requests == first)
            warm_up();
        break;
    case 'f':
        if (requests % first == 0)
            (void)!open("/dev/null", O_RDONLY | O_CLOEXEC);
        break;
    }
}

static const char *header(const char *from, const char *end, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = from; line && line + length < end;) {
        if (!strncasecmp(line, name, length))
            return line + length;
        line = memchr(line, '\n', (size_t)(end - line));
        line = line ? line + 1 : NULL;
    }
    return NULL;
}

/* Answers every whole request of the input; -1 when one is too large to hold. */
static int answer(struct connection *c)
{
    size_t at = 0;
    while (at < c->input_length && !c->is_closing
           && c->output_length + sizeof response <= OUTPUT) {
        if (c->body_left) {
            size_t left = c->input_length - at;
            size_t taken = c->body_left < left ? c->body_left : left;
            c->body_left -= taken;
            at += taken;
            if (c->body_left)
                break;
        } else {
            char *start = c->input + at;
            char *end = memmem(start, c->input_length - at, "\r\n\r\n", 4);
            if (!end)
                break;
            const char *value = header(start, end + 2, "content-length:");
            c->body_left = value ? strtoul(value, NULL, 10) : 0;
            value = header(start, end + 2, "connection:");
            c->is_closing = value && !strncasecmp(value + strspn(value, " "), "close", 5);
            at = (size_t)(end + 4 - c->input);
            if (c->body_left)
                c->is_closing = 0; /* The body comes first; the client closes. */
            handle_request();
            memcpy(c->output + c->output_length, response, sizeof response - 1);
            c->output_length += sizeof response - 1;
        }
    }
    memmove(c->input, c->input + at, c->input_length - at);
    c->input_length -= at;
    return c->input_length == INPUT && at == 0 && c->output_length == 0 ? -1 : 0;
}

/* 1 when all is written, 0 when the peer must read first, -1 when it is gone. */
static int flush(struct connection *c)
{
    while (c->output_length) {
        ssize_t sent = send(c->fd, c->output, c->output_length, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        memmove(c->output, c->output + sent, c->output_length - (size_t)sent);
        c->output_length -= (size_t)sent;
    }
    return 1;
}

static int serve(struct connection *c)
{
    for (;;) {
        if (answer(c))
            return -1;
        int flushed = flush(c);
        if (flushed != 1)
            return flushed;
        if (c->is_closing)
            return -1;
        ssize_t got = recv(c->fd, c->input + c->input_length, INPUT - c->input_length, 0);
        if (got < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        if (got == 0)
            return -1;
        c->input_length += (size_t)got;
        c->input[c->input_length] = 0;
    }
}

static void accept_all(int listener, int poll)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = malloc(sizeof *c);
        int on = 1;
        if (!c)
            abort();
        c->fd = fd;
        c->is_closing = 0;
        c->input_length = c->output_length = c->body_left = 0;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        /* Edge-triggered: `serve` reads and writes until the kernel has no more. */
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                    .data.ptr = c};
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    }
}

static int listen_on(unsigned short port)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 4096)
        || getsockname(listener, (struct sockaddr *)&address, &length)) {
        perror("leaky");
        exit(1);
    }
    printf("listening %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static void read_mode(int count, char **words)
{
    static const struct { const char *name; unsigned long first, second; } modes[] = {
        {"leak", 0, 1},       {"sawtooth", 100000, 0}, {"cache", 0, 1024},
        {"warmup", 5000, 32}, {"idle", 0, 0},          {"fds", 1, 0},
        {"spike", 1000, 150},
    };
    for (unsigned i = 0; count > 2 && i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(words[2], modes[i].name)) {
            mode = modes[i].name;
            first = count > 3 ? strtoul(words[3], NULL, 10) : modes[i].first;
            second = count > 4 ? strtoul(words[4], NULL, 10) : modes[i].second;
        }
    if (!mode || (mode[0] == 'l' && (first % 16 || first < 32 || !second))
        || (mode[0] == 'c' && (!first || second < 32))
        || ((mode[0] == 's' || mode[0] == 'f') && !first)) {
        fprintf(stderr, "leaky PORT leak BYTES [EVERY]|sawtooth [PERIOD]|cache MB [ENTRY]"
                        "|warmup [AFTER] [MB]|idle|fds N|spike [EVERY] [MS]\n");
        exit(2);
    }
}

int main(int count, char **words)
{
    struct rlimit files;
    read_mode(count, words);
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int listener = listen_on((unsigned short)atoi(words[1]));
    int poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN}, events[256];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c) {
                accept_all(listener, poll);
            } else if (serve(c) < 0) {
                close(c->fd);
                free(c);
            }
        }
    }
}
