BEGIN TRANSACTION;
CREATE TABLE "auctions" (
   "id" INTEGER PRIMARY KEY,
   "run" TEXT NOT NULL,
   "task" INTEGER NOT NULL REFERENCES "tasks"("id"),
   "pool" TEXT,
   "pool_hash" TEXT,
   "prompts_hash" TEXT,
   "seed" TEXT,
   "prices" TEXT,
   "weights" TEXT,
   "provisional" TEXT,
   "winner" TEXT NOT NULL,
   "winner_refined" INTEGER,
   "solved" INTEGER NOT NULL,
   "solved_by" TEXT,
   "tokens" INTEGER,
   "usd" REAL,
   "usd_largest" REAL,
   "created_at" TEXT NOT NULL
);
INSERT INTO "auctions" VALUES(1,'r1',1,'practice','pool','prompts','7','{"small":0.05,"middle":0.09,"large":0.16}','{"cost":0.5,"entropy":-0.2,"judges":{"small":0.4,"large":0.4}}','large','large',0,1,'large',300,2.0e-05,8.0e-05,'2026-01-02T03:04:05+00:00');
CREATE TABLE "bids" (
   "id" INTEGER PRIMARY KEY,
   "auction" INTEGER REFERENCES "auctions"("id"),
   "agent" TEXT,
   "refined" INTEGER,
   "plan" TEXT,
   "tokens" INTEGER,
   "entropy" REAL,
   "vocabulary" INTEGER,
   "entropy_kind" TEXT,
   "pairs" TEXT,
   "usage" TEXT
);
INSERT INTO "bids" VALUES(1,1,'small',0,'plan small',12,0.25,1024,'exact','[]','{"prompt":50,"evaluated":8,"generated":12,"seconds":0.0,"end":"stop"}');
INSERT INTO "bids" VALUES(2,1,'large',0,'plan large',12,0.25,1024,'exact','[]','{"prompt":50,"evaluated":8,"generated":12,"seconds":0.0,"end":"stop"}');
CREATE TABLE "embeddings" (
   "text" INTEGER REFERENCES "texts"("id"),
   "embedder" TEXT,
   "vector" BLOB NOT NULL,
   PRIMARY KEY ("text", "embedder")
);
INSERT INTO "embeddings" VALUES(1,'words',X'23FE343F23FE343F7E60E53B7E60E53B7E60E53B7E60E53B7E60E53B7E60E53B');
CREATE TABLE "lessons" (
   "auction" INTEGER REFERENCES "auctions"("id"),
   "agent" TEXT,
   "text" INTEGER REFERENCES "texts"("id"),
   "pool_hash" TEXT,
   "prompts_hash" TEXT,
   "lost" INTEGER REFERENCES "bids"("id"),
   "won" INTEGER REFERENCES "bids"("id"),
   "note" TEXT,
   PRIMARY KEY ("auction", "agent")
);
INSERT INTO "lessons" VALUES(1,'small',1,'pool','prompts',1,2,'');
INSERT INTO "lessons" VALUES(1,'large',1,'pool','prompts',1,2,'');
CREATE TABLE "marks" (
   "id" INTEGER PRIMARY KEY,
   "auction" INTEGER REFERENCES "auctions"("id"),
   "judge" TEXT,
   "agent" TEXT,
   "refined" INTEGER,
   "value" REAL,
   "probabilities" TEXT,
   "mass" REAL,
   "source" TEXT,
   "usage" TEXT
);
INSERT INTO "marks" VALUES(1,1,'large','small',0,3.5,'[0.0,0.0,0.1,0.4,0.4,0.1]',0.98,'expected','{"prompt":80,"evaluated":10,"generated":0,"seconds":0.0,"end":"stop"}');
INSERT INTO "marks" VALUES(2,1,'large','large',0,3.5,'[0.0,0.0,0.1,0.4,0.4,0.1]',0.98,'expected','{"prompt":80,"evaluated":10,"generated":0,"seconds":0.0,"end":"stop"}');
CREATE TABLE "overrides" (
   "auction" INTEGER PRIMARY KEY REFERENCES "auctions"("id"),
   "agent" TEXT,
   "reason" TEXT
);
CREATE TABLE "scores" (
   "id" INTEGER PRIMARY KEY,
   "auction" INTEGER REFERENCES "auctions"("id"),
   "agent" TEXT,
   "refined" INTEGER,
   "cost" REAL,
   "entropy" REAL,
   "jury" REAL
);
INSERT INTO "scores" VALUES(1,1,'small',0,1.1,0.2,0.4);
INSERT INTO "scores" VALUES(2,1,'large',0,0.7,0.2,0.4);
CREATE TABLE "tasks" (
   "id" INTEGER PRIMARY KEY,
   "hash" TEXT NOT NULL,
   "text" INTEGER NOT NULL REFERENCES "texts"("id"),
   "name" TEXT,
   "title" TEXT,
   "repository" TEXT,
   "base" TEXT,
   "test_command" TEXT,
   "snapshot" BLOB
);
INSERT INTO "tasks" VALUES(1,'9d958a25e5bc259b40a72977d18088b2ddd827ae40d8f6acc1ae8d006f0ed568',1,'t-r1','sum a list','shop','base','pytest -q',X'789CAB564ACBCC492D56B28A564A4C49D12BA854D2512A492D2E29D62F0171627594F21273535380F2480A5252D314801C0D4D2B053D3DBD983CA5D8D85A00642116AD');
CREATE TABLE "texts" (
   "id" INTEGER PRIMARY KEY,
   "hash" TEXT NOT NULL,
   "text" TEXT NOT NULL
);
INSERT INTO "texts" VALUES(1,'710264d914c2f0d85fb5e16655bbd22a33663b66f26e814292c83bc9f473dc80','sum a list');
CREATE TABLE "verdicts" (
   "work" INTEGER PRIMARY KEY REFERENCES "works"("id"),
   "solved" INTEGER,
   "reason" TEXT,
   "passed_before" INTEGER,
   "failed_before" INTEGER,
   "passed_after" INTEGER,
   "failed_after" INTEGER,
   "before" TEXT,
   "after" TEXT
);
INSERT INTO "verdicts" VALUES(1,1,'tests pass',1,1,2,0,'{"exit_code":1,"cases":[{"name":"test_old","outcome":"passed","message":""},{"name":"test_new","outcome":"failed","message":"assert 1 == 2"}],"output":"1 failed","ran":true,"timed_out":false}','{"exit_code":0,"cases":[{"name":"test_old","outcome":"passed","message":""},{"name":"test_new","outcome":"passed","message":""}],"output":"2 passed","ran":true,"timed_out":false}');
CREATE TABLE "works" (
   "id" INTEGER PRIMARY KEY,
   "auction" INTEGER REFERENCES "auctions"("id"),
   "agent" TEXT,
   "refined" INTEGER,
   "end" TEXT,
   "steps" TEXT,
   "usage" TEXT,
   "patch" TEXT,
   "note" TEXT
);
INSERT INTO "works" VALUES(1,1,'large',0,'tests pass','[]','{"prompt":9,"evaluated":3,"generated":20,"seconds":0.5,"end":"stop"}','{"base":"base","tree":"tree","diff":"--- a/add.py\n+caf\udce9\n","changes":[{"path":"add.py","status":"modified","added":1,"removed":1,"flags":["test"]}]}','');
CREATE UNIQUE INDEX "idx_texts_hash"
    ON "texts" ("hash");
CREATE UNIQUE INDEX "idx_tasks_hash"
    ON "tasks" ("hash");
CREATE UNIQUE INDEX "idx_auctions_run_task"
    ON "auctions" ("run", "task");
CREATE INDEX "idx_auctions_task"
    ON "auctions" ("task");
CREATE INDEX "idx_bids_auction"
    ON "bids" ("auction");
CREATE INDEX "idx_marks_auction"
    ON "marks" ("auction");
CREATE INDEX "idx_scores_auction"
    ON "scores" ("auction");
CREATE INDEX "idx_works_auction"
    ON "works" ("auction");
CREATE INDEX "idx_lessons_pool_hash_prompts_hash_auction"
    ON "lessons" ("pool_hash", "prompts_hash", "auction");
COMMIT;
