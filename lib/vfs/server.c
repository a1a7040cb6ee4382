/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "../base/macros.h"
#include "../base/sys.h"

#define ROOT FUSE_ROOT_ID
#define FIRST_NODE 2
/* The kernel need not ask again for names: they never change. */
#define FOREVER (1ULL << 30)
/* What a file has in sysfs. Programs know not to trust it. */
#define SIZE_SHOWN 4096
/* A text of that length may be longer than a page the next time. */
#define NEAR_A_PAGE (SIZE_SHOWN - 512)
#define SLOT_BITS 8
#define PATIENCE_NSEC 50000
#define STEADY_NSEC 1000000000

#ifndef FOPEN_NOFLUSH
#define FOPEN_NOFLUSH (1 << 5)
#endif

void server_init(struct server *s, const struct vfs_sources *sources,
		 struct vfs_shared *shared, uid_t owner)
{
	s->sources = sources;
	s->shared = shared;
	s->owner = owner;
	/* Handles of a former helper must not fit the slots of this one. */
	s->generation = ++shared->helpers << 20;
}

static uint64_t now_nsec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- texts ---------------------------------------------------------------------- */

static bool use_steady(struct server *s, size_t file, struct text *out)
{
	const struct server_steady *k = &s->steady;
	const unsigned int needs = vfs_files[file].needs;

	if (!(needs & VFS_STEADY) || k->file != file || !k->len ||
	    now_nsec() - k->made_nsec >= STEADY_NSEC)
		return false;
	vfs_numbers_keep(&s->kept, s->sources, &s->shared->facts, needs);
	if (!CPU_EQUAL(&k->cpus, &s->kept.cpus))
		return false;
	text_bytes(out, k->text, k->len);
	return true;
}

static void keep_steady(struct server *s, size_t file, const struct text *out)
{
	struct server_steady *k = &s->steady;

	if (!(vfs_files[file].needs & VFS_STEADY) || out->len > sizeof k->text)
		return;
	memcpy(k->text, out->buf, out->len);
	k->file = file;
	k->len = out->len;
	k->cpus = s->kept.cpus;
	k->made_nsec = now_nsec();
}

static size_t make_text(struct server *s, size_t file)
{
	const struct vfs_file *f = &vfs_files[file];
	const struct vfs_value *v = &s->shared->values[file];
	struct text out = {.buf = s->text, .size = sizeof s->text};
	struct vfs_numbers n;

	if (v->current) {
		text_bytes(&out, v->copy[v->current - 1].text, v->copy[v->current - 1].len);
	} else if (!use_steady(s, file, &out)) {
		vfs_numbers_read(&n, &s->kept, s->sources, &s->shared->facts, f->needs, file,
				 s->scratch, sizeof s->scratch);
		f->generate(&n, &out);
		keep_steady(s, file, &out);
	}
	s->last_len[file] = MAX(out.len, (size_t)1);
	return out.len;
}

static void forget_text(struct server *s, struct server_slot *slot)
{
	if (slot->mapped) {
		munmap(slot->text, slot->mapped);
		s->n_big--;
	}
	slot->mapped = slot->len = 0;
}

/* The text just made. False where it is too large to be kept. */
static bool keep_text(struct server *s, struct server_slot *slot, size_t len)
{
	void *map;

	forget_text(s, slot);
	slot->text = slot->small;
	if (len > sizeof slot->small) {
		if (s->n_big == SERVER_BIG_MAX)
			return false;
		map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (map == MAP_FAILED)
			return false;
		slot->text = map;
		slot->mapped = len;
		s->n_big++;
	}
	memcpy(slot->text, s->text, len);
	slot->len = len;
	return true;
}

static struct server_slot *find_slot(struct server *s, uint64_t fh)
{
	struct server_slot *slot = &s->slots[fh % SERVER_SLOTS];

	return fh >> SLOT_BITS && slot->generation == fh >> SLOT_BITS ? slot : NULL;
}

static void free_slot(struct server *s, struct server_slot *slot)
{
	forget_text(s, slot);
	slot->generation = 0;
}

/* A handle; 0 when all slots are taken, and then each read makes the text anew. */
static uint64_t keep_open(struct server *s, size_t file, size_t len)
{
	for (size_t i = 0; i < SERVER_SLOTS; i++) {
		struct server_slot *slot = &s->slots[i];

		if (slot->generation)
			continue;
		if (!keep_text(s, slot, len))
			return 0;
		slot->generation = ++s->generation;
		slot->file = (uint32_t)file;
		slot->is_fresh = true;
		return (uint64_t)slot->generation << SLOT_BITS | i;
	}
	return 0;
}

/* ---- answers ---------------------------------------------------------------------- */

static void on_init(const struct wire_request *q, struct wire_answer *a)
{
	if (q->init->major < FUSE_KERNEL_VERSION) {
		wire_error(a, EPROTO);
		return;
	}
	a->init = (struct fuse_init_out){
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = q->init->max_readahead,
		.flags = q->init->flags & (FUSE_PARALLEL_DIROPS | FUSE_DO_READDIRPLUS),
		.max_background = 16,
		.congestion_threshold = 12,
		.max_write = WIRE_WRITE_MAX,
		.time_gran = 1,
	};
	a->len = sizeof a->init;
}

/* tail(1) goes by the size of files larger than a page: there it is measured each time. */
static bool is_long(struct server *s, uint64_t node)
{
	size_t file = node - FIRST_NODE;

	if (node == ROOT || !(vfs_files[file].needs & VFS_LONG))
		return false;
	if (!s->last_len[file])
		make_text(s, file);
	return s->last_len[file] > NEAR_A_PAGE;
}

static uint64_t shown_size(struct server *s, uint64_t node)
{
	if (node == ROOT)
		return 0;
	return is_long(s, node) ? MAX(make_text(s, node - FIRST_NODE), SIZE_SHOWN) : SIZE_SHOWN;
}

static uint64_t attributes_last(struct server *s, uint64_t node)
{
	return is_long(s, node) ? 0 : FOREVER;
}

static struct fuse_attr attributes(struct server *s, uint64_t node, uint64_t size)
{
	bool root = node == ROOT;

	return (struct fuse_attr){
		.ino = node,
		.mode = root ? S_IFDIR | 0555 : S_IFREG | vfs_files[node - FIRST_NODE].mode,
		.size = size,
		.nlink = root ? 2 : 1,
		.uid = s->owner,
		.gid = s->owner,
		.blksize = 4096,
	};
}

static void give_attributes(struct server *s, uint64_t node, struct wire_answer *a)
{
	a->attr = (struct fuse_attr_out){
		.attr_valid = attributes_last(s, node),
		.attr = attributes(s, node, shown_size(s, node)),
	};
	a->len = sizeof a->attr;
}

static struct fuse_entry_out entry(struct server *s, uint64_t node)
{
	return (struct fuse_entry_out){
		.nodeid = node,
		.entry_valid = FOREVER,
		.attr_valid = attributes_last(s, node),
		.attr = attributes(s, node, shown_size(s, node)),
	};
}

/*
 * In the list, which no job sees: to find out how long a file is takes as long as all the rest
 * of a start's requests. Who wants to know asks again.
 */
static struct fuse_entry_out listed(struct server *s, uint64_t node)
{
	const size_t file = node - FIRST_NODE;

	if (!(vfs_files[file].needs & VFS_LONG) || s->last_len[file])
		return entry(s, node);
	return (struct fuse_entry_out){
		.nodeid = node,
		.entry_valid = FOREVER,
		.attr = attributes(s, node, SIZE_SHOWN),
	};
}

static void on_lookup(struct server *s, const struct wire_request *q, struct wire_answer *a)
{
	const char *end;
	uint64_t i = text_read_num(q->name, &end);

	if (q->node != ROOT || end == q->name || *end || i >= vfs_n_files) {
		wire_error(a, ENOENT);
		return;
	}
	a->entry = entry(s, FIRST_NODE + i);
	a->len = sizeof a->entry;
}

/*
 * The list with all that a lookup would tell: when init has read it, no file has to be
 * looked up any more.
 */
static void on_readdirplus(struct server *s, const struct wire_request *q,
			   struct wire_answer *a)
{
	struct text out = {.buf = s->list, .size = MIN(q->read->size, sizeof s->list)};
	struct fuse_direntplus d;
	char digits[8];

	for (uint64_t i = q->read->offset; i < vfs_n_files; i++) {
		struct text name = {.buf = digits, .size = sizeof digits};

		text_num(&name, i);
		memset(&d, 0, sizeof d);
		if (out.size - out.len < FUSE_DIRENT_ALIGN(sizeof d + name.len))
			break;
		d.entry_out = listed(s, FIRST_NODE + i);
		d.dirent.ino = FIRST_NODE + i;
		d.dirent.off = i + 1;
		d.dirent.type = S_IFREG >> 12;
		d.dirent.namelen = (uint32_t)name.len;
		text_bytes(&out, (const char *)&d, offsetof(struct fuse_direntplus, dirent.name));
		text_bytes(&out, digits, name.len);
		text_bytes(&out, "\0\0\0\0\0\0\0", -out.len % 8);
	}
	a->data = out.buf;
	a->len = out.len;
}

static void on_setattr(struct server *s, const struct wire_request *q, struct wire_answer *a)
{
	const uint32_t owned = FATTR_MODE | FATTR_UID | FATTR_GID;
	bool file = q->node != ROOT;

	if (!file || (q->setattr->valid & owned) || !(q->setattr->valid & FATTR_SIZE))
		wire_error(a, EPERM);
	else if (!vfs_files[q->node - FIRST_NODE].write)
		wire_error(a, EACCES);
	else /* a truncation before a write */
		give_attributes(s, q->node, a);
}

static void on_open(struct server *s, const struct wire_request *q, struct wire_answer *a)
{
	size_t file = q->node - FIRST_NODE;
	uint32_t mode = q->open->flags & O_ACCMODE;

	if (mode != O_RDONLY && !vfs_files[file].write) {
		wire_error(a, EACCES);
		return;
	}
	a->open = (struct fuse_open_out){.open_flags = FOPEN_DIRECT_IO | FOPEN_NOFLUSH};
	if (mode != O_WRONLY)
		a->open.fh = keep_open(s, file, make_text(s, file));
	a->len = sizeof a->open;
}

/*
 * Only whoever reads has an owner of locks; the page cache has none. To it sendfile(2) goes
 * since Linux 6.5, and fills what it shows up to the size with zeros; refused like this,
 * busybox's cat, Go and Python read instead. A private mapping can do without.
 */
static bool is_for_cache(const struct wire_request *q)
{
	return !(q->read->read_flags & FUSE_READ_LOCKOWNER);
}

static void on_read(struct server *s, const struct wire_request *q, struct wire_answer *a)
{
	size_t file = q->node - FIRST_NODE, len;
	struct server_slot *slot = find_slot(s, q->read->fh);
	const char *text = s->text;
	uint64_t at = q->read->offset;

	if (is_for_cache(q)) {
		wire_error(a, EINVAL);
		return;
	}
	if (slot && slot->file != file)
		slot = NULL;
	if (!slot || (at == 0 && !slot->is_fresh)) {
		len = make_text(s, file);
		if (slot && !keep_text(s, slot, len)) {
			free_slot(s, slot);
			slot = NULL;
		}
	}
	if (slot) {
		slot->is_fresh = false;
		text = slot->text;
		len = slot->len;
	}
	if (at >= len)
		return; /* the end */
	a->data = text + at;
	a->len = MIN(len - (size_t)at, (size_t)q->read->size);
}

/* Who has read nothing of it yet reads what was written since. */
static void spoil_texts(struct server *s, size_t file)
{
	for (size_t i = 0; i < SERVER_SLOTS; i++)
		if (s->slots[i].file == file)
			s->slots[i].is_fresh = false;
}

static void on_write(struct server *s, const struct wire_request *q, struct wire_answer *a)
{
	size_t file = q->node - FIRST_NODE;
	const struct vfs_file *f = &vfs_files[file];
	struct vfs_value *v = &s->shared->values[file];
	unsigned int spare = v->current == 1;
	struct text out = {.buf = v->copy[spare].text, .size = sizeof v->copy[spare].text};
	size_t len;
	int r;

	if (!f->write) {
		wire_error(a, EACCES);
		return;
	}
	a->write = (struct fuse_write_out){.size = (uint32_t)q->data_len};
	a->len = sizeof a->write;
	/*
	 * The kernel takes a value whole: what is written behind it has no effect. Who
	 * appends is at the end of the size we show, and means the start.
	 */
	if (q->write->offset && !(q->write->flags & O_APPEND))
		return;
	len = make_text(s, file);
	s->text[MIN(len, sizeof s->text - 1)] = '\0';
	r = f->write(f, s->text, q->data, q->data_len, &out);
	if (r < 0) {
		wire_error(a, -r);
		return;
	}
	a->write.size = (uint32_t)r;
	v->copy[spare].len = (uint32_t)out.len;
	__atomic_store_n(&v->current, spare + 1, __ATOMIC_RELEASE);
	spoil_texts(s, file);
}

static void on_release(struct server *s, const struct wire_request *q)
{
	struct server_slot *slot = find_slot(s, q->release->fh);

	if (slot)
		free_slot(s, slot);
}

static void on_file(struct server *s, const struct wire_request *q, struct wire_answer *a)
{
	switch (q->opcode) {
	case FUSE_OPEN:
		on_open(s, q, a);
		break;
	case FUSE_READ:
		on_read(s, q, a);
		break;
	case FUSE_WRITE:
		on_write(s, q, a);
		break;
	case FUSE_RELEASE:
		on_release(s, q);
		break;
	default:
		wire_error(a, ENOSYS);
	}
}

/* The kernel asks these once: after an ENOSYS it knows what to do without us. */
void server_answer(struct server *s, const struct wire_request *q, struct wire_answer *a)
{
	bool is_file = q->node >= FIRST_NODE && q->node - FIRST_NODE < vfs_n_files;

	memset(a, 0, sizeof *a);
	switch (q->opcode) {
	case FUSE_INIT:
		on_init(q, a);
		return;
	case FUSE_DESTROY:
		return;
	case FUSE_STATFS:
		a->statfs.st = (struct fuse_kstatfs){.bsize = 4096, .namelen = 255};
		a->len = sizeof a->statfs;
		return;
	default:
		break;
	}
	if (q->node != ROOT && !is_file) {
		wire_error(a, ENOENT);
		return;
	}
	switch (q->opcode) {
	case FUSE_LOOKUP:
		on_lookup(s, q, a);
		break;
	case FUSE_GETATTR:
		give_attributes(s, q->node, a);
		break;
	case FUSE_SETATTR:
		on_setattr(s, q, a);
		break;
	case FUSE_OPENDIR:
		a->len = sizeof a->open;
		break;
	case FUSE_READDIRPLUS:
		if (q->node == ROOT)
			on_readdirplus(s, q, a);
		else
			wire_error(a, ENOTDIR);
		break;
	case FUSE_READDIR: /* the kernel asks the other */
	case FUSE_RELEASEDIR:
		break;
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_LINK:
	case FUSE_SYMLINK:
	case FUSE_CREATE:
		wire_error(a, EPERM);
		break;
	case FUSE_IOCTL:
		wire_error(a, ENOTTY);
		break;
	default:
		if (is_file)
			on_file(s, q, a);
		else
			wire_error(a, q->opcode == FUSE_READ ? EISDIR : ENOSYS);
	}
}

/* ---- the loop ----------------------------------------------------------------------- */

static int send_error(int fd, uint64_t unique, int errnum)
{
	struct wire_answer a = {.header.error = -errnum};
	struct iovec iov[2];
	int n;

	wire_finish(&a, unique, iov, &n);
	return SYS(writev, fd, iov, n);
}

int server_step(struct server *s, int fd, size_t n)
{
	struct wire_request q;
	struct wire_answer a;
	struct iovec iov[2];
	int n_iov, r = wire_parse(s->shared->request, n, &q);

	if (r == 0 || r == -EBADMSG)
		return r;
	if (r > 0) {
		server_answer(s, &q, &a);
	} else {
		memset(&a, 0, sizeof a);
		wire_error(&a, -r);
	}
	wire_finish(&a, q.unique, iov, &n_iov);
	r = SYS(writev, fd, iov, n_iov);
	if (r == -EINVAL) /* no answer to that: but nobody must wait for ever */
		r = send_error(fd, q.unique, EIO);
	/* ENOENT: whoever asked is gone. */
	s->shared->answered = q.unique;
	return r == -ENODEV || r == -EPERM ? r : 0;
}

/* What a dead helper left unanswered; if two of them crashed over it, it is no good. */
static void finish_for_another(struct server *s, int fd)
{
	struct fuse_in_header h;

	memcpy(&h, s->shared->request, sizeof h);
	if (h.len < sizeof h || h.len > sizeof s->shared->request ||
	    h.unique == s->shared->answered)
		return;
	if (h.unique == s->shared->taken_over) {
		send_error(fd, h.unique, EIO);
		s->shared->answered = h.unique;
		return;
	}
	s->shared->taken_over = h.unique;
	server_step(s, fd, h.len);
}

/*
 * Who has an answer asks again within microseconds: open, read, read the end, close. To
 * sleep in between and be woken costs more than all the rest where the scheduler has
 * put the two of us on two processors, as it does when one is free. So we stay awake for
 * a moment, but give way to whoever has something to do on this one.
 */
static int next_request(struct server *s, int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	uint64_t patience = now_nsec() + PATIENCE_NSEC;

	for (;;) {
		int r = SYS(read, fd, s->shared->request, sizeof s->shared->request);

		if (r != -EAGAIN)
			return r;
		if (now_nsec() < patience)
			SYS(sched_yield);
		else
			SYS(ppoll, &wait, 1UL, NULL, NULL, 0UL);
	}
}

int server_run(struct server *s, int fd)
{
	int r;

	finish_for_another(s, fd);
	for (;;) {
		r = next_request(s, fd);
		/* ENOENT: it was withdrawn between the two of us. */
		if (r == -EINTR || r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		r = server_step(s, fd, (size_t)r);
		if (r < 0)
			return r;
	}
}
