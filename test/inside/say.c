/* SPDX-License-Identifier: Apache-2.0 */
/* say: its argument goes to the service manager, as sd_notify(3) does. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(int n, char **v)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	int s = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (n != 2 || !path || s < 0)
		return 1;
	strncpy(a.sun_path, path, sizeof a.sun_path - 1);
	return sendto(s, v[1], strlen(v[1]), 0, (struct sockaddr *)&a, sizeof a) < 0;
}
