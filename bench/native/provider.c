/* A provider: an OpenAI-compatible server whose every delta carries a token (see listen.c).
 *
 *     provider PORT
 *
 * Each POST is answered with a stream of chat.completion.chunk's as real servers send it: chunked,
 * one event a chunk. The streams stay at their first chunk (which names the role) until a command
 * on stdin starts them all:
 *
 *     waiting               how many streams wait for that
 *     go DELTAS PER_SECOND  each: so many deltas at that pace, 0 for as fast as they are taken
 *     at-once DELTAS PER_SECOND  from now on streams do not wait: the first delta follows the role
 *     sent                  how many deltas were sent since `go`, and how late the latest was
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { READING, WAITING, STREAMING };
enum { CONNECTIONS = 4096, REQUEST = 65536, OUT = 65536 };

typedef struct {
    int fd, state;
    uint32_t sent;
    uint64_t offset_us; /* of its pace, so that the streams do not beat together */
    char request[REQUEST];
    size_t length;
    char out[OUT + 1024]; /* what the socket did not take */
    size_t out_length;
} Stream;

static Stream *streams[CONNECTIONS];
static int poller, timer, at_once;
static uint32_t deltas, waiting;
static double per_second;
static uint64_t began, total_sent, latest_us;

static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                           "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";
static const char models[] = "{\"object\":\"list\",\"data\":[{\"id\":\"bench\",\"object\":\"model\"}]}";

static uint64_t now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void put(Stream *s, const char *data, size_t length) {
    if (s->out_length + length > sizeof s->out) exit(3);
    memcpy(s->out + s->out_length, data, length);
    s->out_length += length;
}

static void put_event(Stream *s, const char *choice, const char *finish) {
    char event[1024], chunk[1100];
    int length = snprintf(event, sizeof event,
        "data: {\"id\":\"chatcmpl-bench-%d\",\"object\":\"chat.completion.chunk\","
        "\"created\":1763600000,\"model\":\"bench\",\"system_fingerprint\":\"fp_bench\","
        "\"choices\":[{\"index\":0,\"delta\":{%s},\"logprobs\":null,\"finish_reason\":%s}]}\n\n",
        s->fd, choice, finish);
    put(s, chunk, snprintf(chunk, sizeof chunk, "%x\r\n%s\r\n", length, event));
}

static void put_delta(Stream *s) {
    char choice[128];
    snprintf(choice, sizeof choice, "\"content\":\"@%08u%016lu \"", s->sent, now_us());
    put_event(s, choice, "null");
    s->sent++;
    total_sent++;
}

static void put_end(Stream *s) {
    static const char done[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
    put_event(s, "", "\"stop\"");
    put(s, done, sizeof done - 1);
    s->state = READING;
    s->length = 0;
}

static void flush(Stream *s) {
    if (!s->out_length) return;
    ssize_t sent = send(s->fd, s->out, s->out_length, MSG_NOSIGNAL);
    if (sent > 0) {
        s->out_length -= sent;
        memmove(s->out, s->out + sent, s->out_length);
    }
    struct epoll_event wanted = {.events = EPOLLIN | (s->out_length ? EPOLLOUT : 0),
                                 .data.fd = s->fd};
    epoll_ctl(poller, EPOLL_CTL_MOD, s->fd, &wanted);
}

/* Send what is due; returns when the next delta is (0: it waits for the socket, or is at its end). */
static uint64_t advance(Stream *s) {
    uint64_t due = 0;
    while (s->state == STREAMING && s->out_length < OUT / 2) {
        if (s->sent >= deltas) {
            put_end(s);
            break;
        }
        if (per_second > 0) {
            uint64_t now = now_us();
            due = began + s->offset_us + (uint64_t)(s->sent * 1e6 / per_second);
            if (due > now) break;
            if (now - due > latest_us) latest_us = now - due;
            due = 0;
        }
        put_delta(s);
        if (s->out_length >= OUT / 2) flush(s);
    }
    flush(s);
    return due;
}

static void advance_all(void) {
    uint64_t next = 0;
    for (int fd = 0; fd < CONNECTIONS; fd++)
        if (streams[fd] && streams[fd]->state == STREAMING) {
            uint64_t due = advance(streams[fd]);
            if (due && (!next || due < next)) next = due;
        }
    struct itimerspec when = {.it_value = {next / 1000000, next % 1000000 * 1000}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void end(Stream *s) {
    if (s->state == WAITING) waiting--;
    close(s->fd);
    streams[s->fd] = NULL;
    free(s);
}

static void answer(Stream *s) {
    char *body = memmem(s->request, s->length, "\r\n\r\n", 4);
    if (!body) return;
    char *length = strcasestr(s->request, "content-length:");
    size_t expected = length && length < body ? atoi(length + 15) : 0;
    if (s->length < (size_t)(body + 4 - s->request) + expected) return;
    s->length = 0;
    if (!memcmp(s->request, "GET ", 4)) {
        char text[256];
        put(s, text, snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: "
                              "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                              sizeof models - 1, models));
    } else {
        put(s, head, sizeof head - 1);
        s->state = WAITING;
        s->sent = 0;
        waiting++;
        put_event(s, "\"role\":\"assistant\",\"content\":\"\"", "null");
    }
    flush(s);
}

/* Where streams do not wait: begin this one. */
static void begin(Stream *s) {
    s->state = STREAMING;
    s->offset_us = now_us() - began;
    waiting--;
    advance_all();
}

static void receive(Stream *s) {
    ssize_t got = recv(s->fd, s->request + s->length, REQUEST - s->length - 1, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        end(s);
        return;
    }
    s->length += got;
    s->request[s->length] = 0;
    if (s->state == READING) answer(s);
    if (s->state == WAITING && at_once) begin(s);
}

static void start_all(void) {
    uint32_t at = 0;
    began = now_us();
    total_sent = latest_us = 0;
    for (int fd = 0; fd < CONNECTIONS; fd++)
        if (streams[fd] && streams[fd]->state == WAITING) {
            streams[fd]->state = STREAMING;
            streams[fd]->offset_us = per_second > 0 ? at++ * 1e6 / per_second / waiting : 0;
        }
    waiting = 0;
    advance_all();
}

static void command(void) {
    char line[256];
    ssize_t got = read(0, line, sizeof line - 1);
    if (got <= 0) exit(0); /* whoever started us is gone */
    line[got] = 0;
    if (sscanf(line, "go %u %lf", &deltas, &per_second) == 2) {
        start_all();
        printf("{}\n");
    } else if (sscanf(line, "at-once %u %lf", &deltas, &per_second) == 2) {
        at_once = 1;
        began = now_us();
        printf("{}\n");
    } else if (!strncmp(line, "waiting", 7)) {
        printf("{\"waiting\": %u}\n", waiting);
    } else {
        printf("{\"sent\": %lu, \"late_ms\": %.3f}\n", total_sent, latest_us / 1e3);
    }
}

static void welcome(int server) {
    int fd = accept4(server, NULL, NULL, SOCK_NONBLOCK), one = 1;
    if (fd < 0) return;
    if (fd >= CONNECTIONS) exit(4);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    streams[fd] = calloc(1, sizeof(Stream));
    streams[fd]->fd = fd;
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &wanted);
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    int server = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(argc > 1 ? atoi(argv[1]) : 0),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 1024)) {
        perror("bind");
        return 1;
    }
    poller = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    int watched[] = {0, server, timer};
    for (int at = 0; at < 3; at++) {
        struct epoll_event wanted = {.events = EPOLLIN, .data.fd = watched[at]};
        epoll_ctl(poller, EPOLL_CTL_ADD, watched[at], &wanted);
    }
    struct epoll_event ready[256];
    for (;;) {
        int count = epoll_wait(poller, ready, 256, -1);
        for (int at = 0; at < count; at++) {
            int fd = ready[at].data.fd;
            if (fd == 0) {
                command();
            } else if (fd == server) {
                welcome(server);
            } else if (fd == timer) {
                uint64_t times;
                if (read(timer, &times, sizeof times) > 0) advance_all();
            } else if (streams[fd]) {
                if (ready[at].events & EPOLLOUT) {
                    flush(streams[fd]);
                    if (!streams[fd]->out_length && per_second == 0) advance(streams[fd]);
                }
                if (streams[fd] && ready[at].events & EPOLLIN) receive(streams[fd]);
            }
        }
    }
}
