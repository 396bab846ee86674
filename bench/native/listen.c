/* The load client: thousands of listeners in one thread, each of them checked.
 *
 * Every published payload carries tokens `@SSSSSSSSTTTTTTTTTTTTTTTT`: 8 digits of a sequence number
 * that grows by one per channel, 16 digits of CLOCK_MONOTONIC in microseconds at the moment of
 * publishing. A listener knows which number must come next, so nothing can be missing, doubled or
 * out of order without being counted, and now minus the stamp is the latency.
 *
 * Commands on stdin, one answer of JSON per command on stdout:
 *
 *   at-once COUNT                           how many requests are under way while opening (1,000)
 *   expect FIRST COUNT                      what every listener is to receive from now on; the
 *                                           counters and this program's CPU clock start anew
 *   open CHANNELS PER_CHANNEL PATH ID       open listeners; `%d` in PATH is the channel's number,
 *                                           ID the Last-Event-ID or `-`. Answered when all of them
 *                                           have the head of their answer
 *   ask CHANNELS PER_CHANNEL PATH ID        the same, but answered when all requests have been sent:
 *                                           for servers that send the head with the first event
 *   stall, ask-stall                        as these, but they read the head and then nothing
 *   paths COUNT                             PATHs follow, one a line: one listener each
 *   wait SECONDS LINGER_MS                  answered when every listener has what it is to receive,
 *                                           and LINGER_MS more have shown nothing in excess
 *   returns ID                              from now on a listener whose stream is ended by the server
 *                                           comes back to the same path with ID as Last-Event-ID, as
 *                                           many at once as `at-once` says
 *   back                                    how many streams have ended and how many of them are back
 *                                           since `returns`, and when the last one was
 *   head                                    the first bytes that the first listener received
 *   close                                   end all listeners
 *
 * Frames are checked whole: a token counts only in a `data:` line of a block that ends with a
 * blank line. Two blocks of the same length are compared by position, which lets one core check
 * tens of millions of events a second.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTING, HEAD, STREAM, STALLED, CLOSED };
enum { SIZE_LINE, CHUNK, AFTER_CHUNK };
enum { LISTENERS = 65536, BUFFER = 256 * 1024, TOKEN = 25, BUCKETS = 64 * 40 };

typedef struct {
    int fd;
    uint8_t state, chunked, chunk_state, stalls, asks, again, cut_off;
    uint32_t next, target;
    uint32_t frame_length, token_at; /* of the last block, where it held one token */
    uint64_t chunk_left;
    char *path;
    char *kept; /* an answer's head or a block that has not arrived whole */
    uint32_t kept_length, kept_room;
} Listener;

static struct sockaddr_in server, own_address;
static int poller;
static Listener listeners[LISTENERS];
static uint32_t at_once = 1000; /* requests under way while listeners are opened */
static uint32_t listener_count, opened, answered, closed_by_server, bad_status, first_status;
static uint32_t unfinished; /* reading listeners that have not reached their target */
static uint32_t first, target;
static uint64_t deliveries, events, missing, doubled_or_late, excess, bytes, receives;
static uint64_t open_began, open_ended, oldest_stamp, first_arrival, last_arrival;
static uint64_t histogram[BUCKETS], latency_sum, latency_max;
static uint64_t clock_began;
static double cpu_began;
static int returning; /* those that are cut off come back */
static uint32_t under_way; /* on their way back */
static uint32_t queue[LISTENERS], queue_first, queue_last; /* listeners that want to come back */
static uint64_t last_back;
static uint32_t trouble_expected, trouble_found; /* of the first event out of its place */
static char last_id[256], sample[2048];
static char buffer[BUFFER + 65536];

static uint64_t now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static double cpu_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* ------------------------------------------------------------------ what arrived */

/* Values below 64 µs exactly, above in 64 steps per power of two: 1.6 % wide. */
static unsigned bucket(uint64_t us) {
    if (us < 64) return us;
    unsigned power = 63 - __builtin_clzll(us);
    unsigned at = 64 * (power - 5) + ((us >> (power - 6)) & 63);
    return at < BUCKETS ? at : BUCKETS - 1;
}

static double bucket_us(unsigned at) {
    if (at < 64) return at;
    unsigned power = at / 64 + 5;
    return (double)((64 + at % 64 + 0.5) * (double)(1ull << (power - 6)));
}

static double percentile(double share) {
    uint64_t total = 0, seen = 0;
    for (unsigned at = 0; at < BUCKETS; at++) total += histogram[at];
    for (unsigned at = 0; at < BUCKETS; at++) {
        seen += histogram[at];
        if (total && seen >= share * total) return bucket_us(at);
    }
    return 0;
}

static uint64_t eight_digits(const char *text) {
    uint64_t v;
    memcpy(&v, text, 8);
    v = (v & 0x0F0F0F0F0F0F0F0Full) * 2561 >> 8;
    v = (v & 0x00FF00FF00FF00FFull) * 6553601 >> 16;
    return (v & 0x0000FFFF0000FFFFull) * 42949672960001ull >> 32;
}

static void arrive(Listener *l, const char *token, uint64_t now) {
    uint32_t sequence = eight_digits(token + 1);
    uint64_t stamp = eight_digits(token + 9) * 100000000 + eight_digits(token + 17);
    deliveries++;
    if (sequence != l->next && !missing && !doubled_or_late)
        trouble_expected = l->next, trouble_found = sequence;
    if (sequence == l->next) {
        l->next++;
    } else if (sequence > l->next) {
        missing += sequence - l->next;
        l->next = sequence + 1;
    } else {
        doubled_or_late++;
        return;
    }
    if (sequence >= l->target) excess++;
    else if (l->next >= l->target) unfinished--;
    if (sequence < first) return; /* from before the measured part */
    uint64_t us = now > stamp ? now - stamp : 0;
    histogram[bucket(us)]++;
    latency_sum += us;
    if (us > latency_max) latency_max = us;
    if (!oldest_stamp || stamp < oldest_stamp) oldest_stamp = stamp;
    if (!first_arrival) first_arrival = now;
    last_arrival = now;
}

/* The end of the block that begins at `at`, or NULL where it has not arrived whole. */
static char *block_end(char *at, char *end) {
    while (at < end && (at = memchr(at, '\n', end - at))) {
        at++;
        if (at < end && *at == '\n') return at + 1;
        if (at + 1 < end && at[0] == '\r' && at[1] == '\n') return at + 2;
    }
    return NULL;
}

static void read_block(Listener *l, char *at, char *end, uint64_t now) {
    char *block = at;
    unsigned tokens = 0;
    while (at < end) {
        char *line_end = memchr(at, '\n', end - at);
        if (!line_end) break;
        if (line_end - at > TOKEN + 5 && !memcmp(at, "data:", 5)) {
            char *token = at;
            while ((token = memchr(token, '@', line_end - token)) && line_end - token > TOKEN) {
                l->token_at = token - block;
                tokens++;
                arrive(l, token, now);
                token += TOKEN;
            }
        }
        at = line_end + 1;
    }
    l->frame_length = tokens == 1 && end[-2] == '\n' ? end - block : 0;
    if (tokens) events++;
}

/* Read the blocks of [at, end); returns where the first incomplete one begins. */
static char *read_blocks(Listener *l, char *at, char *end, uint64_t now) {
    for (;;) {
        uint32_t length = l->frame_length;
        while (length && (size_t)(end - at) >= length && at[l->token_at] == '@' &&
               at[length - 1] == '\n' && at[length - 2] == '\n' && at[length - 3] != '\n') {
            arrive(l, at + l->token_at, now);
            events++;
            at += length;
        }
        char *next = block_end(at, end);
        if (!next) return at;
        read_block(l, at, next, now);
        at = next;
    }
}

/* Take chunked transfer encoding away, in place; returns the length that is left. */
static size_t dechunk(Listener *l, char *data, size_t length) {
    size_t from = 0, to = 0;
    while (from < length) {
        if (l->chunk_state == CHUNK) {
            size_t n = length - from < l->chunk_left ? length - from : l->chunk_left;
            memmove(data + to, data + from, n);
            from += n, to += n, l->chunk_left -= n;
            if (!l->chunk_left) l->chunk_state = AFTER_CHUNK;
            continue;
        }
        char c = data[from++];
        if (l->chunk_state == AFTER_CHUNK) {
            if (c == '\n') l->chunk_state = SIZE_LINE;
        } else if (c == '\n') {
            if (l->chunk_left) l->chunk_state = CHUNK;
        } else if (c >= '0' && c <= '9') {
            l->chunk_left = l->chunk_left * 16 + c - '0';
        } else if ((c | 32) >= 'a' && (c | 32) <= 'f') {
            l->chunk_left = l->chunk_left * 16 + (c | 32) - 'a' + 10;
        }
    }
    return to;
}

static void keep(Listener *l, const char *data, size_t length) {
    if (length > l->kept_room) {
        l->kept_room = length + 256;
        l->kept = realloc(l->kept, l->kept_room);
    }
    memmove(l->kept, data, length);
    l->kept_length = length;
}

/* ------------------------------------------------------------------ connections */

static void open_more(void);
static void come_back(void);

static void drop(Listener *l) {
    if (l->state == CLOSED) return;
    struct linger at_once = {1, 0}; /* no TIME_WAIT: rounds follow each other quickly */
    setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(l->fd);
    l->state = CLOSED;
}

static void count_answer(unsigned count) {
    answered += count;
    if (count) open_more();
    if (!count || answered < listener_count) return;
    open_ended = now_us();
    printf("{\"listeners\": %u, \"seconds\": %.6f, \"bad_status\": %u, \"status\": %u}\n",
           listener_count, (open_ended - open_began) / 1e6, bad_status, first_status);
}

static char *read_head(Listener *l, char *at, char *end) {
    char *body = memmem(at, end - at, "\r\n\r\n", 4);
    if (!body) return NULL;
    body += 4;
    unsigned status = end - at > 12 ? atoi(at + 9) : 0;
    if (!first_status) first_status = status;
    if (status != 200) bad_status++;
    for (char *line = at; line < body; line = (char *)memchr(line, '\n', body - line) + 1)
        if (!strncasecmp(line, "transfer-encoding: chunked", 26)) l->chunked = 1;
    l->state = STREAM;
    if (l->stalls) {
        l->state = STALLED;
        epoll_ctl(poller, EPOLL_CTL_DEL, l->fd, NULL);
    }
    if (l->again) {
        l->again = 0;
        under_way--;
        last_back = now_us();
        come_back();
    } else {
        count_answer(l->asks ? 0 : 1);
    }
    return body;
}

/* The server has ended the stream: it is wanted again. */
static void want_back(Listener *l) {
    if (l->again) under_way--; /* on its way it was cut off once more */
    drop(l);
    l->again = l->cut_off = 1, l->chunked = 0, l->chunk_state = SIZE_LINE, l->kept_length = 0;
    queue[queue_last++ % LISTENERS] = l - listeners; /* until the next tick */
}

static void receive(Listener *l) {
    size_t kept = l->kept_length, room = l->stalls ? 512 : BUFFER;
    ssize_t got = recv(l->fd, buffer + kept, room, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0 && returning && (l->state == STREAM || l->again)) {
        want_back(l);
        return;
    }
    if (got <= 0) {
        if (l->state < STREAM) {
            bad_status++;
            count_answer(l->asks ? 0 : 1);
        }
        closed_by_server++;
        if (!l->stalls && l->next < l->target) unfinished--; /* what lacks is counted as missing */
        drop(l);
        return;
    }
    uint64_t now = now_us();
    if (kept) memcpy(buffer, l->kept, kept);
    bytes += got, receives++;
    if (l == listeners && strlen(sample) < 1024)
        strncat(sample, buffer + kept, got < 1000 ? got : 1000);
    char *at = buffer, *end = buffer + kept + got;
    if (l->state == HEAD) {
        char *body = read_head(l, buffer, end);
        if (body) {
            at = body;
            if (l->chunked) end = body + dechunk(l, body, end - body);
            at = read_blocks(l, at, end, now);
        }
    } else {
        if (l->chunked) end = buffer + kept + dechunk(l, buffer + kept, got);
        at = read_blocks(l, at, end, now);
    }
    if (end - at > 65536) {
        fprintf(stderr, "a block of more than 64 KiB\n");
        exit(1);
    }
    keep(l, at, end - at);
}

static void send_request(Listener *l) {
    char request[2048], resume[300] = "";
    if (strcmp(last_id, "-")) snprintf(resume, sizeof resume, "Last-Event-ID: %s\r\n", last_id);
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
                          "Cache-Control: no-cache\r\n%s\r\n", l->path, resume);
    if (send(l->fd, request, length, MSG_NOSIGNAL) != length) {
        if (l->again) {
            want_back(l);
            return;
        }
        bad_status++;
        drop(l);
        count_answer(1);
        return;
    }
    l->state = HEAD;
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = l};
    epoll_ctl(poller, EPOLL_CTL_MOD, l->fd, &wanted);
    if (!l->again) count_answer(l->asks ? 1 : 0);
}

static void open_one(Listener *l) {
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (l->fd < 0) fail("socket");
    int one = 1, small = 4096;
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (l->stalls) setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (own_address.sin_addr.s_addr) {
        /* One address has 28,000 ports, and from the half of them on a free one is hard to find. */
        struct sockaddr_in own = own_address;
        own.sin_addr.s_addr = htonl(ntohl(own.sin_addr.s_addr) + 256 * ((l - listeners) / 10000));
        setsockopt(l->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(l->fd, (struct sockaddr *)&own, sizeof own)) fail("bind");
    }
    l->state = CONNECTING;
    if (connect(l->fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS)
        fail("connect");
    struct epoll_event wanted = {.events = EPOLLOUT, .data.ptr = l};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, l->fd, &wanted)) fail("epoll_ctl");
}

static void open_more(void) {
    while (opened < listener_count && opened - answered < at_once)
        open_one(&listeners[opened++]);
}

static void come_back(void) {
    while (queue_first != queue_last && under_way < at_once) {
        under_way++;
        open_one(&listeners[queue[queue_first++ % LISTENERS]]);
    }
}

static Listener *add(const char *path, int stalls, int asks) {
    if (listener_count == LISTENERS) fail("more listeners than there is room for");
    Listener *l = &listeners[listener_count++];
    memset(l, 0, sizeof *l);
    l->fd = -1;
    l->stalls = stalls, l->asks = asks;
    l->path = strdup(path);
    l->next = first, l->target = target;
    if (!stalls && l->next < l->target) unfinished++;
    return l;
}

static void open_all(unsigned channels, unsigned per_channel, const char *path, int stalls,
                     int asks) {
    open_began = now_us();
    for (unsigned n = 0; n < per_channel; n++)
        for (unsigned channel = 0; channel < channels; channel++) {
            char full[1024];
            snprintf(full, sizeof full, path, channel);
            add(full, stalls, asks);
        }
    open_more();
}

static void close_all(void) {
    for (unsigned at = 0; at < listener_count; at++) {
        drop(&listeners[at]);
        free(listeners[at].path);
        free(listeners[at].kept);
    }
    returning = 0;
    under_way = queue_first = queue_last = 0;
    listener_count = opened = answered = bad_status = first_status = unfinished = 0;
    sample[0] = 0;
    printf("{}\n");
}

/* ------------------------------------------------------------------ commands */

static void start_counting(void) {
    deliveries = events = missing = doubled_or_late = excess = bytes = receives = 0;
    oldest_stamp = first_arrival = last_arrival = latency_sum = latency_max = 0;
    closed_by_server = unfinished = trouble_expected = trouble_found = 0;
    memset(histogram, 0, sizeof histogram);
    for (unsigned at = 0; at < listener_count; at++) {
        Listener *l = &listeners[at];
        l->next = first, l->target = target;
        if (!l->stalls && l->next < l->target) unfinished++;
    }
    clock_began = now_us();
    cpu_began = cpu_seconds();
}

static void answer_wait(int timed_out) {
    uint64_t not_arrived = 0, now = now_us();
    for (unsigned at = 0; at < listener_count; at++)
        if (!listeners[at].stalls && listeners[at].next < listeners[at].target)
            not_arrived += listeners[at].target - listeners[at].next;
    uint64_t measured = 0;
    for (unsigned at = 0; at < BUCKETS; at++) measured += histogram[at];
    printf("{\"deliveries\": %lu, \"events\": %lu, \"missing\": %lu, \"doubled_or_late\": %lu, "
           "\"excess\": %lu, \"expected\": %u, \"found\": %u, \"closed_by_server\": %u, \"timed_out\": %s, \"bytes\": %lu, "
           "\"receives\": %lu, \"open_began_us\": %lu, \"first_stamp_us\": %lu, "
           "\"first_arrival_us\": %lu, \"last_arrival_us\": %lu, \"mean_ms\": %.4f, "
           "\"p50_ms\": %.4f, \"p90_ms\": %.4f, \"p99_ms\": %.4f, \"max_ms\": %.4f, "
           "\"cpu_seconds\": %.4f, \"seconds\": %.4f}\n",
           deliveries, events, missing + not_arrived, doubled_or_late, excess, trouble_expected,
           trouble_found, closed_by_server,
           timed_out ? "true" : "false", bytes, receives, open_began, oldest_stamp, first_arrival,
           last_arrival, measured ? latency_sum / 1e3 / measured : 0, percentile(.5) / 1e3,
           percentile(.9) / 1e3, percentile(.99) / 1e3, latency_max / 1e3,
           cpu_seconds() - cpu_began, (now - clock_began) / 1e6);
}

static void answer_head(void) {
    printf("{\"head\": \"");
    for (char *at = sample; *at; at++) {
        if (*at == '\n') printf("\\n");
        else if (*at == '\r') printf("\\r");
        else if (*at == '"' || *at == '\\') printf("\\%c", *at);
        else if ((unsigned char)*at >= 32) putchar(*at);
    }
    printf("\"}\n");
}

static uint64_t wait_until, linger_us;
static int waiting, lingering;
static unsigned paths_to_come;

static void command(char *line) {
    char path[1024];
    unsigned a, b;
    double seconds;
    line[strcspn(line, "\n")] = 0;
    if (paths_to_come) {
        add(line, 0, 0);
        if (!--paths_to_come) open_more();
    } else if (sscanf(line, "expect %u %u", &a, &b) == 2) {
        first = a, target = a + b;
        start_counting();
        printf("{}\n");
    } else if (sscanf(line, "at-once %u", &at_once) == 1) {
        printf("{}\n");
    } else if (sscanf(line, "open %u %u %1023s %255s", &a, &b, path, last_id) == 4) {
        open_all(a, b, path, 0, 0);
    } else if (sscanf(line, "ask %u %u %1023s %255s", &a, &b, path, last_id) == 4) {
        open_all(a, b, path, 0, 1);
    } else if (sscanf(line, "ask-stall %u %u %1023s %255s", &a, &b, path, last_id) == 4) {
        open_all(a, b, path, 1, 1);
    } else if (sscanf(line, "stall %u %u %1023s %255s", &a, &b, path, last_id) == 4) {
        open_all(a, b, path, 1, 0);
    } else if (sscanf(line, "paths %u", &a) == 1 && a) {
        strcpy(last_id, "-");
        open_began = now_us();
        paths_to_come = a;
    } else if (sscanf(line, "wait %lf %u", &seconds, &a) == 2) {
        waiting = 1, lingering = 0;
        wait_until = now_us() + (uint64_t)(seconds * 1e6), linger_us = a * 1000ull;
    } else if (sscanf(line, "returns %255s", last_id) == 1) {
        returning = 1;
        for (uint32_t at = 0; at < listener_count; at++) listeners[at].cut_off = 0;
        printf("{}\n");
    } else if (!strcmp(line, "back")) {
        uint32_t cut_off = 0, back = 0;
        for (uint32_t at = 0; at < listener_count; at++) {
            Listener *l = &listeners[at];
            cut_off += l->cut_off;
            back += l->cut_off && l->state == STREAM;
        }
        printf("{\"cut_off\": %u, \"back\": %u, \"last_back_us\": %lu}\n", cut_off, back, last_back);
    } else if (!strcmp(line, "head")) {
        answer_head();
    } else if (!strcmp(line, "close")) {
        close_all();
    } else {
        printf("{\"error\": \"what is that?\"}\n");
    }
}

static void check_wait(void) {
    if (!waiting) return;
    uint64_t now = now_us();
    if (!unfinished && !lingering) {
        lingering = 1;
        wait_until = now + linger_us;
    }
    if (now >= wait_until) {
        waiting = 0;
        answer_wait(!lingering);
    }
}

static void read_commands(void) {
    static char line[4096];
    static size_t length;
    ssize_t got = read(0, line + length, sizeof line - length - 1);
    if (got <= 0) exit(0); /* whoever started us is gone */
    length += got;
    char *end;
    while ((end = memchr(line, '\n', length))) {
        *end = 0;
        command(line);
        length -= end + 1 - line;
        memmove(line, end + 1, length);
    }
}

int main(int argc, char **argv) {
    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: listen PORT [OWN_ADDRESS]\n"); /* the first of several */
        return 2;
    }
    own_address.sin_family = AF_INET;
    if (argc == 3 && inet_pton(AF_INET, argv[2], &own_address.sin_addr) != 1) return 2;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    setvbuf(stdout, NULL, _IOLBF, 0);
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    poller = epoll_create1(0);
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL}, ready[512];
    if (epoll_ctl(poller, EPOLL_CTL_ADD, 0, &input)) fail("epoll_ctl");
    for (;;) {
        int count = epoll_wait(poller, ready, 512, waiting ? 5 : queue_first != queue_last ? 20 : -1);
        if (count < 0 && errno != EINTR) fail("epoll_wait");
        for (int at = 0; at < count; at++) {
            Listener *l = ready[at].data.ptr;
            if (!l) {
                read_commands();
                break; /* what else is ready may be about listeners that were just ended */
            }
            if (l->state == CONNECTING) send_request(l);
            else if (l->state == HEAD || l->state == STREAM) receive(l);
        }
        check_wait();
        come_back();
    }
}
