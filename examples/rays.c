/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rays [-s WIDTHxHEIGHT] [-a SAMPLES] [-r DEPTH] [-b ROWS] [-j WORKERS | -p PATHS] [-o FILE]: a
 * picture by ray tracing, spheres above a chequered plane, with shadows and reflections, as PPM
 * (P6, see ppm(5)).
 *
 *	rays >picture.ppm
 *	rays -s 1920x1080 -a 4 -p 'ssh:node[01-16]/local*8' | pnmtopng >picture.png
 *
 *   -s WIDTHxHEIGHT  of the picture (640x480)
 *   -a SAMPLES       rays for each pixel are SAMPLES x SAMPLES (2), so that edges are smooth
 *   -r DEPTH         how often light is reflected, at most (5)
 *   -b ROWS          that are one task (8)
 *   -j WORKERS       a map over that many forked workers (one for each processor); 0: none, in
 *                    this process
 *   -p PATHS         a map over a pool of contexts, here or on other machines
 *   -o FILE          instead of standard output
 *
 * Bands of rows are the tasks. They come in the order of the picture and each is written as soon as
 * it is its turn. The picture is the same, byte for byte, whoever computes it, as all execute this
 * same program (processors of another kind may round differently).
 *
 * Exit status: 0; 1, a reason is printed, and the picture is not complete; 2, usage.
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ramet.h>

/* --- Vectors ---------------------------------------------------------------------------------- */

typedef struct vector {
	double x, y, z;
} vector;

static vector add(vector a, vector b)
{
	return (vector){a.x + b.x, a.y + b.y, a.z + b.z};
}

static vector scale(vector a, double f)
{
	return (vector){a.x * f, a.y * f, a.z * f};
}

static vector subtract(vector a, vector b)
{
	return add(a, scale(b, -1));
}

static double dot(vector a, vector b)
{
	return a.x * b.x + a.y * b.y + a.z * b.z;
}

static vector unit(vector a)
{
	return scale(a, 1 / sqrt(dot(a, a)));
}

/* --- The scene -------------------------------------------------------------------------------- */

/* x to the right, y up, z away from the eye; colours are x red, y green, z blue, from 0 to 1. */
static const struct sphere {
	vector centre;
	double radius;
	vector colour;
	double mirror; /* the part of its light that it reflects */
} spheres[] = {
	{{0.0, 1.0, 6.0}, 1.0, {0.95, 0.95, 0.95}, 0.75},
	{{-2.1, 0.8, 5.2}, 0.8, {0.85, 0.15, 0.10}, 0.25},
	{{2.0, 0.7, 5.0}, 0.7, {0.10, 0.35, 0.85}, 0.25},
	{{-0.8, 0.35, 3.8}, 0.35, {0.95, 0.75, 0.15}, 0.15},
	{{0.7, 0.3, 3.6}, 0.3, {0.15, 0.70, 0.25}, 0.15},
	{{-3.6, 1.6, 9.0}, 1.6, {0.55, 0.25, 0.65}, 0.40},
	{{3.8, 1.9, 9.5}, 1.9, {0.90, 0.60, 0.40}, 0.40},
};
static const size_t sphere_count = sizeof(spheres) / sizeof(*spheres);
static const struct light {
	vector place;
	double strength;
} lights[] = {{{-5, 8, -2}, 0.70}, {{6, 5, 0}, 0.35}};
static const size_t light_count = sizeof(lights) / sizeof(*lights);

static const vector eye = {0, 1.5, -2};
static const double plane_mirror = 0.12, ambient = 0.12;
static const double nearest = 1e-6; /* else rounding lets a surface shadow itself */

/* What a ray meets first. */
struct hit {
	double distance; /* INFINITY: nothing */
	vector place, normal, colour;
	double mirror;
};

static double sphere_distance(const struct sphere *sphere, vector from, vector direction)
{
	vector to = subtract(sphere->centre, from);
	double along = dot(to, direction);
	double inside = along * along - dot(to, to) + sphere->radius * sphere->radius;

	if (inside < 0)
		return INFINITY;
	double half = sqrt(inside);
	return along - half > nearest   ? along - half
	       : along + half > nearest ? along + half
					: INFINITY;
}

static struct hit meet(vector from, vector direction)
{
	const struct sphere *met = NULL;
	struct hit hit = {.distance = INFINITY};

	for (size_t i = 0; i < sphere_count; i++) {
		double distance = sphere_distance(&spheres[i], from, direction);
		if (distance < hit.distance) {
			hit.distance = distance;
			met = &spheres[i];
		}
	}
	double plane = direction.y < 0 ? -from.y / direction.y : INFINITY;
	if (plane > nearest && plane < hit.distance) {
		hit.distance = plane;
		met = NULL;
	}
	if (isinf(hit.distance))
		return hit;
	hit.place = add(from, scale(direction, hit.distance));
	if (met) {
		hit.normal = unit(subtract(hit.place, met->centre));
		hit.colour = met->colour;
		hit.mirror = met->mirror;
	} else {
		double field = floor(hit.place.x) + floor(hit.place.z);
		hit.normal = (vector){0, 1, 0};
		hit.colour = fmod(field, 2) == 0 ? (vector){0.85, 0.85, 0.80}
						 : (vector){0.2, 0.25, 0.2};
		hit.mirror = plane_mirror;
	}
	return hit;
}

static vector sky(vector direction)
{
	double high = direction.y > 0 ? direction.y : 0;

	return add(scale((vector){0.80, 0.87, 0.95}, 1 - high),
		   scale((vector){0.25, 0.45, 0.80}, high));
}

/* The light that comes to `from` out of a direction. */
static vector trace(vector from, vector direction, int depth)
{
	struct hit hit = meet(from, direction);
	double bright = ambient;

	if (isinf(hit.distance))
		return sky(direction);
	for (size_t i = 0; i < light_count; i++) {
		vector to = subtract(lights[i].place, hit.place);
		double falls = dot(hit.normal, unit(to));
		if (falls > 0 && meet(hit.place, unit(to)).distance > sqrt(dot(to, to)))
			bright += lights[i].strength * falls;
	}
	vector own = scale(hit.colour, bright);
	if (depth == 0 || hit.mirror <= 0)
		return own;
	vector back = subtract(direction, scale(hit.normal, 2 * dot(direction, hit.normal)));
	return add(scale(own, 1 - hit.mirror),
		   scale(trace(hit.place, back, depth - 1), hit.mirror));
}

/* --- Tasks ------------------------------------------------------------------------------------ */

static unsigned char level(double part)
{
	return part >= 1 ? 255
			 : (unsigned char)(sqrt(part) * 255 + 0.5); /* about a screen's gamma */
}

/* A task travels: a context on another machine knows nothing but this. */
RAMET_STRUCT(view, (i32, width), (i32, height), (i32, samples), (i32, depth), (i32, rows));

static size_t band_count(const view *picture)
{
	return (size_t)((picture->height + picture->rows - 1) / picture->rows);
}

/* Bytes of a band; the last one may have fewer rows. */
static size_t band_size(const view *picture, size_t band)
{
	size_t begin = band * (size_t)picture->rows, left = (size_t)picture->height - begin;

	return (left < (size_t)picture->rows ? left : (size_t)picture->rows) *
	       (size_t)picture->width * 3;
}

static void trace_pixel(const view *picture, size_t x, size_t y, unsigned char *out)
{
	int samples = picture->samples;
	vector sum = {0, 0, 0};

	for (int i = 0; i < samples * samples; i++) {
		double across = (double)x + (i % samples + 0.5) / samples - picture->width / 2.0;
		double down = (double)y + ((double)(i / samples) + 0.5) / samples -
			      picture->height / 2.0;
		vector direction = {across / picture->height, -0.1 - down / picture->height, 1.1};
		sum = add(sum, trace(eye, unit(direction), picture->depth));
	}
	sum = scale(sum, 1.0 / (samples * samples));
	out[0] = level(sum.x);
	out[1] = level(sum.y);
	out[2] = level(sum.z);
}

static void trace_band(const view *picture, size_t band, unsigned char *out)
{
	size_t width = (size_t)picture->width, pixels = band_size(picture, band) / 3;

	for (size_t i = 0; i < pixels; i++)
		trace_pixel(picture, i % width, band * (size_t)picture->rows + i / width,
			    out + 3 * i);
}

/* --- Who computes ----------------------------------------------------------------------------- */

/* What goes on: which picture, how far tasks are given out, and where it goes. */
struct job {
	view picture;
	size_t next;
	FILE *out;
};

static int put(struct job *job, ramet_bytes band)
{
	return fwrite(band.data, 1, band.size, job->out) == band.size ? 0 : -errno;
}

static int by_ourselves(struct job *job)
{
	unsigned char *band = malloc(band_size(&job->picture, 0));
	int r = band ? 0 : -ENOMEM;

	for (; r == 0 && job->next < band_count(&job->picture); job->next++) {
		trace_band(&job->picture, job->next, band);
		r = put(job, (ramet_bytes){band, band_size(&job->picture, job->next)});
	}
	free(band);
	return r;
}

/* Forked workers have the program's memory: the number of the band is all that they need. */
static void *begin_worker(ramet_channel *channel, void *data)
{
	(void)channel;
	return data;
}

static void band_task(ramet_channel *channel, const ramet_value *input, void *state)
{
	const struct job *job = state;
	size_t band = (size_t)ramet_value_i64(input), bytes = band_size(&job->picture, band);
	unsigned char *memory = malloc(bytes);

	if (memory) {
		trace_band(&job->picture, band, memory);
		ramet_channel_send_bytes(channel, (ramet_bytes){memory, bytes});
	} else {
		ramet_channel_fail(channel, ENOMEM, "no memory for %d rows", job->picture.rows);
	}
	free(memory);
}

static int next_band(ramet_value **ret_input, void *data)
{
	struct job *job = data;

	if (job->next == band_count(&job->picture))
		return 0;
	*ret_input = ramet_value_new_i64((int64_t)job->next++);
	return *ret_input ? 1 : -ENOMEM;
}

static int by_workers(struct job *job, int workers, ramet_error *error)
{
	ramet_worker_options worker = RAMET_WORKER_OPTIONS_INIT;
	ramet_map_options options = RAMET_MAP_OPTIONS_INIT;
	ramet_map *map = NULL;
	ramet_value *band = NULL;

	worker.data = job;
	worker.begin = begin_worker;
	options.worker = &worker;
	options.limit = workers;
	int r = ramet_map_new(band_task, &options, &map);
	if (r == 0)
		r = ramet_map_begin_source(map, next_band, job, error);
	while (r >= 0 && (r = ramet_map_next(map, -1, &band, error)) == 1) {
		r = put(job, ramet_value_bytes(band));
		ramet_value_unref(band);
	}
	ramet_map_unref(map);
	return r;
}

RAMET_FUNCTION(bytes, band_of, (view, picture), (i64, band))
{
	size_t bytes = band_size(&picture, (size_t)band);
	unsigned char *memory = ramet_call_alloc(call, bytes);

	if (memory)
		trace_band(&picture, (size_t)band, memory);
	else
		ramet_fail(call, ENOMEM, "no memory for %d rows", picture.rows);
	return (ramet_bytes){memory, bytes};
}

static int next_task(struct band_of_args *task, void *data)
{
	struct job *job = data;

	*task = (struct band_of_args){job->picture, (int64_t)job->next};
	return job->next++ < band_count(&job->picture);
}

static int band_done(uint64_t index, ramet_bytes *band, void *data)
{
	int r = put(data, *band);

	(void)index;
	ramet_free(band->data);
	return r;
}

static int by_pool(struct job *job, const char *paths, ramet_error *error)
{
	ramet_router *router = NULL;
	ramet_pool *pool = NULL;
	int r = ramet_router_new(NULL, &router);

	if (r == 0)
		r = ramet_pool_new(router, paths, NULL, &pool, error);
	if (r == 0)
		r = band_of_each(pool, next_task, band_done, job, NULL, error);
	ramet_pool_unref(pool);
	ramet_router_unref(router);
	return r;
}

/* --- The command ------------------------------------------------------------------------------ */

static int usage(FILE *stream, int status)
{
	fprintf(stream, "usage: rays [-s WIDTHxHEIGHT] [-a SAMPLES] [-r DEPTH] [-b ROWS]\n"
			"            [-j WORKERS | -p PATHS] [-o FILE]\n");
	return status;
}

/* Reads a number, and what must be behind it: the end, or "x". */
static bool number(const char **text, char behind, int least, int most, int32_t *ret_value)
{
	char *end;
	long value = strtol(*text, &end, 10);

	if (end == *text || *end != behind || value < least || value > most)
		return false;
	*ret_value = (int32_t)value;
	*text = end + (behind != '\0');
	return true;
}

static bool picture_option(int option, const char *text, view *picture)
{
	switch (option) {
	case 's':
		return number(&text, 'x', 1, 65536, &picture->width) &&
		       number(&text, '\0', 1, 65536, &picture->height);
	case 'a':
		return number(&text, '\0', 1, 64, &picture->samples);
	case 'r':
		return number(&text, '\0', 0, 100, &picture->depth);
	case 'b':
		return number(&text, '\0', 1, 1024, &picture->rows);
	default:
		return false;
	}
}

static int draw(struct job *job, int workers, const char *paths, const char *file)
{
	ramet_error error = RAMET_ERROR_INIT;

	job->out = file ? fopen(file, "we") : stdout;
	if (!job->out) {
		fprintf(stderr, "rays: %s: %s\n", file, strerror(errno));
		return 1;
	}
	fprintf(job->out, "P6\n%d %d\n255\n", job->picture.width, job->picture.height);
	fflush(job->out);
	int r = paths         ? by_pool(job, paths, &error)
		: workers > 0 ? by_workers(job, workers, &error)
			      : by_ourselves(job);
	if (fflush(job->out) && r == 0)
		r = -errno;
	if (ferror(job->out))
		fprintf(stderr, "rays: %s: %s\n", file ? file : "standard output", strerror(-r));
	else if (r < 0)
		fprintf(stderr, "rays: %s\n", error.message ? error.message : strerror(-r));
	ramet_error_clear(&error);
	if (file)
		fclose(job->out);
	return r < 0;
}

int main(int argc, char **argv)
{
	struct job job = {
		.picture = {.width = 640, .height = 480, .samples = 2, .depth = 5, .rows = 8}};
	const char *paths = NULL, *file = NULL, *text;
	int32_t workers = -1;
	int option;

	ramet_init(argc, argv);
	while ((option = getopt(argc, argv, "s:a:r:b:j:p:o:h")) != -1) {
		if (option == 'h')
			return usage(stdout, 0);
		if (option == 'p')
			paths = optarg;
		else if (option == 'o')
			file = optarg;
		else if (option == 'j' ? (text = optarg, !number(&text, '\0', 0, 4096, &workers))
				       : !picture_option(option, optarg, &job.picture))
			return usage(stderr, 2);
	}
	if (optind != argc || (paths && workers >= 0))
		return usage(stderr, 2);
	if (!file && isatty(STDOUT_FILENO)) {
		fprintf(stderr, "rays: a picture is nothing for a terminal: -o FILE\n");
		return 2;
	}
	return draw(&job, workers < 0 ? ramet_cores() : workers, paths, file);
}
