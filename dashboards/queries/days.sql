-- title: Days with data
-- about: The days of the school that the store has seen packets for, the latest first.
SELECT
    c.day AS day,
    sum(c.value) AS packets
FROM schoolgate.coverage AS c
WHERE c.school = {school:String} AND c.metric = 'packets'
GROUP BY day
HAVING packets > 0
ORDER BY day DESC
