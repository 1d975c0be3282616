-- title: Everything counted on the way, in the day
-- about: What was seen and what was lost on the day between packet and outcome: every number that is kept, by its name.
-- parameters: school String, day Date
SELECT
    c.metric AS metric,
    sum(c.value) AS total
FROM schoolgate.coverage AS c
WHERE c.school = {school:String} AND c.day = {day:Date}
GROUP BY metric
ORDER BY metric
