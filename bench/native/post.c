/* The publishing client: some keep-alive connections, each of which sends a request, waits for its
 * answer, and sends the next.
 *
 * usage: post PORT < requests
 *
 * stdin: a line `REQUESTS CONNECTIONS`: how many each connection sends, then for each connection the length of its request in a line
 * of its own and the request behind it, as it goes on the wire. `@TTTT…` (25 bytes) in it are holes
 * for tokens as `listen.c` knows them: a sequence number of the connection's own, and the time at
 * which the request was composed. When all is connected it prints `ready`, waits for a line, and
 * ends with one line of JSON.
 *
 * An answer has a Content-Length, or no body. One that is no 2xx ends it all, and is shown.
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
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TOKEN = 25, HOLES = 1024, ANSWER = 64 * 1024, BUCKETS = 64 * 40 };

typedef struct {
    int fd;
    char *request;
    size_t length, got;
    unsigned holes;
    size_t hole[HOLES];
    uint32_t next;
    uint64_t sent;
    unsigned answers;
    int idle;
    char answer[ANSWER];
} Connection;

static uint64_t histogram[BUCKETS], requests, events;
static char trouble[512];

static uint64_t now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static unsigned bucket(uint64_t us) {
    if (us < 64) return us;
    unsigned power = 63 - __builtin_clzll(us);
    unsigned at = 64 * (power - 5) + ((us >> (power - 6)) & 63);
    return at < BUCKETS ? at : BUCKETS - 1;
}

static double percentile_ms(double share) {
    uint64_t seen = 0;
    for (unsigned at = 0; at < BUCKETS; at++) {
        seen += histogram[at];
        if (requests && seen >= share * requests) {
            unsigned power = at / 64 + 5;
            return at < 64 ? at / 1e3 : (64 + at % 64 + 0.5) * (double)(1ull << (power - 6)) / 1e3;
        }
    }
    return 0;
}

static void digits(char *to, uint64_t value, int count) {
    while (count--) to[count] = '0' + value % 10, value /= 10;
}

static void send_next(Connection *c) {
    c->sent = now_us();
    for (unsigned n = 0; n < c->holes; n++) {
        char *at = c->request + c->hole[n];
        *at = '@';
        digits(at + 1, c->next++, 8);
        digits(at + 9, c->sent, 16);
    }
    c->got = 0;
    for (size_t at = 0; at < c->length;) {
        ssize_t n = send(c->fd, c->request + at, c->length - at, MSG_NOSIGNAL);
        if (n < 0) fail("send");
        at += n;
    }
}

/* Whether the answer is whole. */
static int answered(Connection *c) {
    c->answer[c->got] = 0;
    char *body = strstr(c->answer, "\r\n\r\n");
    if (!body) return 0;
    body += 4;
    size_t length = 0;
    char *field = strcasestr(c->answer, "\r\nContent-Length:");
    if (field && field < body) length = strtoul(field + 17, NULL, 10);
    if (c->got < (body - c->answer) + length) return 0;
    if (c->answer[9] != '2' && !*trouble) snprintf(trouble, sizeof trouble, "%.500s", c->answer);
    return 1;
}

int main(int argc, char **argv) {
    unsigned each, count;
    if (argc != 2 || scanf("%u %u", &each, &count) != 2) {
        fprintf(stderr, "usage: post PORT < requests\n");
        return 2;
    }
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    Connection *all = calloc(count, sizeof *all);
    int poller = epoll_create1(0), one = 1;
    for (unsigned n = 0; n < count; n++) {
        Connection *c = &all[n];
        if (scanf("%zu", &c->length) != 1 || getchar() != '\n') return 2;
        c->request = malloc(c->length);
        if (fread(c->request, 1, c->length, stdin) != c->length) return 2;
        for (char *at = c->request, *end = at + c->length;
             (at = memmem(at, end - at, "@TTTTTTTTTTTTTTTTTTTTTTTT", TOKEN)); at += TOKEN)
            if (c->holes < HOLES) c->hole[c->holes++] = at - c->request;
        c->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(c->fd, (struct sockaddr *)&server, sizeof server)) fail("connect");
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &wanted);
    }
    printf("ready\n");
    fflush(stdout);
    for (int c; (c = getchar()) != '\n';)
        if (c == EOF) return 2; /* whoever started us is gone */

    uint64_t began = now_us(), ended = began;
    unsigned busy = count;
    for (unsigned n = 0; n < count; n++) send_next(&all[n]);
    struct epoll_event ready[256];
    while (busy && ended < began + 120000000) {
        int found = epoll_wait(poller, ready, 256, 100);
        ended = now_us();
        for (int n = 0; n < found; n++) {
            Connection *c = ready[n].data.ptr;
            if (c->idle) continue;
            ssize_t got = recv(c->fd, c->answer + c->got, ANSWER - 1 - c->got, 0);
            if (got <= 0) {
                if (!*trouble) strcpy(trouble, "a connection was closed");
                c->idle = 1, busy--;
                continue;
            }
            c->got += got;
            if (!answered(c)) continue;
            requests++, events += c->holes;
            histogram[bucket(ended - c->sent)]++;
            if (++c->answers < each && !*trouble) send_next(c);
            else c->idle = 1, busy--;
        }
    }
    struct timespec spent;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    printf("{\"requests\": %lu, \"events\": %lu, \"seconds\": %.6f, \"p50_ms\": %.4f, "
           "\"p99_ms\": %.4f, \"cpu_seconds\": %.4f, \"trouble\": \"",
           requests, events, (ended - began) / 1e6, percentile_ms(.5), percentile_ms(.99),
           spent.tv_sec + spent.tv_nsec / 1e9);
    for (char *at = trouble; *at; at++)
        if (*at == '"' || *at == '\\') printf("\\%c", *at);
        else printf("%c", (unsigned char)*at < 32 ? ' ' : *at);
    printf("\"}\n");
    return 0;
}
