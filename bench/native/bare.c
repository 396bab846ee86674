/* The limit for C: one blocking `send` for each listener and event, and nothing else.
 *
 * `GET …-N` makes a listener of channel N, a line `N data` on any other connection is an event. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHANNELS = 4096, DESCRIPTORS = 65536 };

typedef struct {
    int *listeners, count, room;
} Channel;

static Channel channels[CHANNELS];
static int channel_of[DESCRIPTORS]; /* 0: no listener, else the channel's number + 1 */
static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                           "Cache-Control: no-cache\r\nConnection: close\r\n\r\n";

static void listen_to(int descriptor, const char *request) {
    const char *end = strchr(request + 4, ' ');
    while (end[-1] >= '0' && end[-1] <= '9') end--;
    int number = atoi(end);
    if (number < 0 || number >= CHANNELS) exit(2);
    Channel *channel = &channels[number];
    if (channel->count == channel->room) {
        channel->room = channel->room * 2 + 16;
        channel->listeners = realloc(channel->listeners, channel->room * sizeof(int));
    }
    channel->listeners[channel->count++] = descriptor;
    channel_of[descriptor] = number + 1;
    send(descriptor, head, sizeof head - 1, MSG_NOSIGNAL);
}

static void leave(int descriptor) {
    int number = channel_of[descriptor] - 1;
    if (number >= 0) {
        Channel *channel = &channels[number];
        for (int at = 0; at < channel->count; at++)
            if (channel->listeners[at] == descriptor) {
                channel->listeners[at] = channel->listeners[--channel->count];
                break;
            }
        channel_of[descriptor] = 0;
    }
    close(descriptor);
}

static void publish(const char *line, const char *end) {
    static long sequence;
    static char frame[70000];
    const char *data = memchr(line, ' ', end - line) + 1;
    int length = sprintf(frame, "id: %ld\ndata: %.*s\n\n", ++sequence, (int)(end - data), data);
    Channel *channel = &channels[atoi(line) % CHANNELS];
    for (int at = 0; at < channel->count; at++)
        send(channel->listeners[at], frame, length, MSG_NOSIGNAL);
}

static void receive(int descriptor) {
    static char data[1 << 20];
    static size_t kept;
    if (channel_of[descriptor]) { /* a listener has nothing to say: it left */
        leave(descriptor);
        return;
    }
    ssize_t got = recv(descriptor, data + kept, sizeof data - kept - 1, 0);
    if (got <= 0) {
        leave(descriptor);
        return;
    }
    data[kept + got] = 0;
    if (!kept && !memcmp(data, "GET ", 4)) {
        listen_to(descriptor, data);
        return;
    }
    char *at = data, *end = data + kept + got, *line_end;
    while ((line_end = memchr(at, '\n', end - at))) {
        publish(at, line_end);
        at = line_end + 1;
    }
    kept = end - at;
    memmove(data, at, kept);
}

int main(int argc, char **argv) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int server = socket(AF_INET, SOCK_STREAM, 0), poller = epoll_create1(0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(argc > 1 ? atoi(argv[1]) : 0),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 4096)) {
        perror("bind");
        return 1;
    }
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = server}, ready[512];
    epoll_ctl(poller, EPOLL_CTL_ADD, server, &wanted);
    for (;;) {
        int count = epoll_wait(poller, ready, 512, -1);
        for (int at = 0; at < count; at++) {
            int descriptor = ready[at].data.fd;
            if (descriptor != server) {
                receive(descriptor);
                continue;
            }
            descriptor = accept(server, NULL, NULL);
            if (descriptor < 0 || descriptor >= DESCRIPTORS) return 1;
            setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            wanted.data.fd = descriptor;
            epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &wanted);
        }
    }
}
